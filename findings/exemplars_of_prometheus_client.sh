#!/usr/bin/env bash
# Exemplars of a metric of one's own, in prometheus-client. A type that implements `EncodeMetric` may encode itself as a
# histogram, and one would expect that it may have exemplars: `encode_histogram` takes a map of them.
#
# Seen with prometheus-client 0.25:
#
#     error[E0451]: fields `label_set`, `value` and `timestamp` of struct `Exemplar` are private
#
# `Exemplar` is public, and has neither public fields nor a constructor. Only the histograms of the library itself make one, so
# a histogram that takes no lock has to write its exemplars into the text that the library has encoded.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "exemplars"
version = "0.0.0"
edition = "2024"

[dependencies]
prometheus-client = "0.25"

[workspace]
TOML
cat >src/lib.rs <<'RUST'
use prometheus_client::metrics::exemplar::Exemplar;

pub fn exemplar(trace: String) -> Exemplar<[(&'static str, String); 1], f64> {
    Exemplar { label_set: [("trace_id", trace)], value: 0.25, timestamp: None }
}
RUST
if cargo check --quiet 2>errors; then
    echo "it compiles now: use it"
    exit 1
fi
grep '^error\[' errors | tee seen
diff seen - <<'SEEN'
error[E0451]: fields `label_set`, `value` and `timestamp` of struct `Exemplar` are private
SEEN
