"""The stubs say what the native module does, and the package's types agree with them."""

import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("mypy", reason="the stubs are looked at once, with the newest stack")

# What a stub says better than the module can: names for type checkers, and overloads, each of which takes less than the whole.
BETTER_IN_THE_STUB = """
sluicegate._native.__all__
sluicegate._native.Algorithm
sluicegate._native.Cost
sluicegate._native.Charge.__new__
sluicegate._native.ClientIp.__new__
sluicegate._native.Gate.__new__
sluicegate._native.Limiter.charge
sluicegate._native.Limiter.(peek|reset|take)(_async)?
"""


def mypy(*arguments):
    return subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, check=False)


def test_the_stubs_say_what_the_native_module_does(tmp_path: pathlib.Path):
    allowed = tmp_path / "allowed.txt"
    allowed.write_text(BETTER_IN_THE_STUB)
    outcome = mypy("mypy.stubtest", "sluicegate._native", "--allowlist", str(allowed), "--ignore-unused-allowlist")
    assert outcome.returncode == 0, outcome.stdout


def test_the_package_is_typed_throughout():
    outcome = mypy("mypy", "--strict", "--cache-dir", "/dev/null", "-p", "sluicegate")
    assert outcome.returncode == 0, outcome.stdout
