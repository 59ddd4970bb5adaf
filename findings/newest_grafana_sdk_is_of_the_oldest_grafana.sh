#!/usr/bin/env bash
# The newest version of grafana-foundation-sdk on PyPI, as pip chooses it. One would expect the SDK of the newest Grafana.
#
# Seen with pip on 2026-11-30:
#
#     pip chooses 1769699998!10.1.0
#     released together: 10.1.0 10.2.0 10.3.0 10.4.0 11.0.0 11.1.0 11.2.0 11.3.0 11.4.0 11.5.0 11.6.0
#     in pip's order:    10.1.0 before 11.6.0
#
# Each version has an epoch, the second in which it was built, and a release is built from the newest Grafana to the oldest.
# So the SDK of the oldest Grafana, 10.1, is the newest to pip, and `grafana-foundation-sdk>=11` means nothing: every epoch is
# newer than none. The SDK of a given Grafana has to be pinned with its epoch: grafana-foundation-sdk==1769699379!11.6.0.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" index versions grafana-foundation-sdk 2>/dev/null >"$folder/versions"

"$folder/venv/bin/python" - "$folder/versions" <<'PYTHON'
import re
import sys

[line] = [line for line in open(sys.argv[1]) if line.startswith("Available versions:")]
versions = re.findall(r"(\d+)!([\d.]+)", line)
chosen = "!".join(versions[0])
# One release: its builds follow each other within a quarter of an hour.
release = [(int(epoch), version) for epoch, version in versions if 0 <= 1769699998 - int(epoch) < 900]
by_number = sorted((version for _, version in release), key=lambda version: [int(part) for part in version.split(".")])
by_pip = [version for _, version in sorted(release, reverse=True)]
print("pip chooses", chosen)
print("released together:", *by_number)
print(f"in pip's order:    {by_pip[0]} before {by_pip[-1]}")
assert chosen == "1769699998!10.1.0", "there is a newer release: look whether its order is the same"
assert by_pip == by_number, "pip's newest is no longer that of the oldest Grafana"
assert by_pip[0] == "10.1.0" and by_pip[-1] == "11.6.0"
PYTHON
