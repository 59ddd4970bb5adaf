"""The programs that measurements run: Sluicegate's own, Debian's, and virtual environments of Python under target/."""

import argparse
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def environment(name: str, needs: list[str], wheel: pathlib.Path | None = None) -> pathlib.Path:
    """The Python of a virtual environment with these packages, made again when they have changed."""
    folder = TARGET / "bench-python" / name
    python, stamp = folder / "bin" / "python", folder / "installed"
    stamped = [*needs]
    if wheel is not None:
        stamped.append(f"{wheel} {hashlib.sha256(wheel.read_bytes()).hexdigest()}")
    if stamp.exists() and stamp.read_text().splitlines() == stamped:
        return python
    print(f"installing {' '.join(needs)} into {folder}", file=sys.stderr)
    venv.create(folder, with_pip=True, clear=True)
    what = [*needs, *([str(wheel)] if wheel else [])]
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what], check=True)
    stamp.write_text("\n".join(stamped) + "\n")
    return python


def parsed(parser: argparse.ArgumentParser, program: str, package: str) -> argparse.Namespace:
    """The options of a measurement that runs the gateway, the mock model and one program of a Debian package."""
    parser.add_argument("--sluicegate", type=pathlib.Path, default=TARGET / "release/sluicegate", help="the gateway's release binary")
    parser.add_argument("--mock-model", type=pathlib.Path, default=TARGET / "release/mock-model")
    options = parser.parse_args()
    for binary in (options.sluicegate, options.mock_model):
        if not binary.exists():
            parser.error(f"{binary} is missing: cargo build --release --workspace --bin sluicegate --bin mock-model")
    if shutil.which(program) is None:
        parser.error(f"{program} is missing: apt-get install {package}")
    return options
