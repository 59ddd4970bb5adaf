"""Virtual environments of Python for what measurements run beside Sluicegate, under target/."""

import hashlib
import os
import pathlib
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
