#!/usr/bin/env bash
# A manual page without a date, made by clap_mangen. One would expect that the field of the date is empty, as it is in a page
# written by hand (.TH tool 1 "" "tool 1.2" "User Commands"), and that an explicit empty date says so.
#
# Seen with clap_mangen 0.3.3, clap 4.6.7 and groff 1.22.4, which prints the source, the date and the title under a page:
#
#     default: .TH tool 1  "tool 1.2" Tools -> Tools tool 1.2 tool(1)
#     empty: .TH tool 1  "tool 1.2" Tools -> Tools tool 1.2 tool(1)
#     dated: .TH tool 1 2026-11-30 "tool 1.2" Tools -> tool 1.2 2026-11-30 tool(1)
#
# An empty field is written without quotes, so the fields behind it move one place to the left: the version stands where the
# date belongs, and the name of the manual where the version does. Pages that are to be the same at each build have no date, so
# they need a `.TH` line of their own.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "pages"
version = "0.0.0"
edition = "2024"

[dependencies]
clap = { version = "=4.6.7", default-features = false, features = ["std"] }
clap_mangen = "=0.3.3"

[workspace]
TOML
cat >src/main.rs <<'RUST'
use clap_mangen::Man;

fn main() -> std::io::Result<()> {
    let page = || Man::new(clap::Command::new("tool").version("1.2")).manual("Tools");
    for (name, page) in [("default", page()), ("empty", page().date("")), ("dated", page().date("2026-11-30"))] {
        page.render(&mut std::fs::File::create(name)?)?;
    }
    Ok(())
}
RUST
cargo run --quiet
for page in default empty dated; do
    # The last line that groff prints: the source on the left, the date in the middle.
    foot=$(groff -man -Tascii -P-cbou "$page" | grep -v '^ *$' | tail -n 1 | tr -s ' ')
    echo "$page: $(grep '^\.TH' "$page") -> $foot"
done | tee seen
diff seen - <<'SEEN'
default: .TH tool 1  "tool 1.2" Tools -> Tools tool 1.2 tool(1)
empty: .TH tool 1  "tool 1.2" Tools -> Tools tool 1.2 tool(1)
dated: .TH tool 1 2026-11-30 "tool 1.2" Tools -> tool 1.2 2026-11-30 tool(1)
SEEN
