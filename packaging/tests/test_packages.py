"""Each package is installed where nothing else is, and the gateway that it brings answers a request."""

import gzip
import os
import re
import subprocess
import sys
import tarfile
import time
import venv
from pathlib import Path

import pytest

from server import TIMEOUT

ROOT = Path(__file__).parents[2]
VLLM = ROOT / "examples/policies/vllm.toml"
CHAT = "/v1/chat/completions"
# All that the container image's base has for a program: it is gcr.io/distroless/cc.
LIBRARIES = {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libdl.so.2", "libpthread.so.0", "librt.so.1"}


@pytest.fixture(scope="session")
def wheel(package, tmp_path_factory):
    """The commands of a virtual environment with nothing but the wheel, which is installed without a network."""
    return install(package(".whl"), tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def archive(package, version, tmp_path_factory):
    """The folder in the archive."""
    folder = tmp_path_factory.mktemp("archive")
    with tarfile.open(package(".tar.gz")) as tar:
        tar.extractall(folder, filter="data")
    return folder / f"sluicegate-{version}-{os.uname().machine}-linux"


@pytest.fixture(scope="session")
def debian(package, tmp_path_factory):
    """The root of a system that has the Debian package and nothing else."""
    root = tmp_path_factory.mktemp("debian")
    for folder in ("etc", "var/lib/dpkg/info", "var/lib/dpkg/updates"):
        (root / folder).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    dpkg(root, "--install", package(".deb"))
    return root


def test_the_wheel_serves_within_a_minute_and_without_a_compiler(package, start, tmp_path):
    began = time.monotonic()

    commands, policy = install(package(".whl"), tmp_path / "venv"), tmp_path / "sluicegate.toml"
    path = {"PATH": str(commands)}
    run(commands / "sluicegate", "init", "--for", "vllm", "--output", policy, env=path)
    checked = run(commands / "sluicegate", "check", "--strict", policy, env=path)
    gateway = start(commands / "sluicegate", policy.read_text(), path)

    assert CHAT in checked
    assert serves(gateway)
    assert time.monotonic() - began < 60


def test_the_wheel_brings_the_command_and_the_module_for_every_python_from_3_10(wheel, package, version):
    command = wheel / "sluicegate"

    assert command.read_bytes().startswith(b"\x7fELF"), "no process of Python stands before the gateway"
    assert run(command, "--version").split() == ["sluicegate", version]
    assert package(".whl").name.startswith(f"sluicegate-{version}-cp310-abi3-")
    take = "from sluicegate import Limiter; print(bool(Limiter().take('alice', '10/minute')))"
    assert run(wheel / "python", "-c", take).strip() == "True"


def test_a_signal_to_the_command_of_the_wheel_drains_the_gateway(wheel, start):
    gateway = start(wheel / "sluicegate", VLLM.read_text())

    assert serves(gateway)
    assert gateway.stop() == 0
    assert '"drained"' in gateway.logged()


def test_the_archive_serves(archive, start, version):
    assert run(archive / "sluicegate", "--version").split() == ["sluicegate", version]
    for policy in (archive / "policies").iterdir():
        run(archive / "sluicegate", "check", "--strict", policy)
    assert serves(start(archive / "sluicegate", (archive / "policies/vllm.toml").read_text()))


def test_the_archive_and_the_debian_package_bring_manual_pages_and_completions(archive, debian):
    for page in [archive / "man/sluicegate-serve.1", debian / "usr/share/man/man1/sluicegate-serve.1.gz"]:
        text = gzip.open(page).read() if page.suffix == ".gz" else page.read_bytes()
        assert text.startswith(b".") and b".TH sluicegate-serve 1" in text, page
    for completions in [
        archive / "completions/sluicegate.bash",
        debian / "usr/share/bash-completion/completions/sluicegate",
        debian / "usr/share/zsh/vendor-completions/_sluicegate",
        debian / "usr/share/fish/vendor_completions.d/sluicegate.fish",
    ]:
        assert "explain" in completions.read_text(), completions


def test_the_debian_package_serves_the_policy_that_it_brings(debian, start):
    policy = debian / "etc/sluicegate/sluicegate.toml"

    run(debian / "usr/bin/sluicegate", "check", "--strict", policy)
    assert serves(start(debian / "usr/bin/sluicegate", policy.read_text()))


def test_the_debian_package_makes_the_user_and_the_unit_of_the_service(debian):
    assert "\nsluicegate:x:" in "\n" + (debian / "etc/passwd").read_text()
    assert "\nsluicegate:x:" in "\n" + (debian / "etc/group").read_text()
    unit = debian / "usr/lib/systemd/system/sluicegate.service"
    run("systemd-analyze", "security", "--offline=true", "--threshold=20", unit)


def test_systemd_finds_no_fault_with_the_unit(debian, tmp_path):
    text = (debian / "usr/lib/systemd/system/sluicegate.service").read_text()
    unit = tmp_path / "sluicegate.service"
    unit.write_text(text.replace("/usr/bin/sluicegate", str(debian / "usr/bin/sluicegate")))

    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit], capture_output=True, text=True
    )

    assert verified.returncode == 0 and "sluicegate.service" not in verified.stderr, verified.stderr


def test_dpkg_knows_every_file_of_the_debian_package(debian, version):
    assert dpkg(debian, "--verify", "sluicegate") == ""
    status = dpkg(debian, "--status", "sluicegate")
    assert f"Version: {version}-1\n" in status
    assert re.search(r"^Depends: libc6 \(>= 2\.\d+\), ", status, re.MULTILINE)
    assert "/etc/sluicegate/sluicegate.toml" in status.split("Conffiles:")[1]


def test_a_purge_takes_away_what_the_debian_package_brought(package, tmp_path):
    for folder in ("etc", "var/lib/dpkg/info", "var/lib/dpkg/updates"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").touch()
    dpkg(tmp_path, "--install", package(".deb"))
    edited = tmp_path / "etc/sluicegate/sluicegate.toml"
    edited.write_text("# mine\n")

    dpkg(tmp_path, "--remove", "sluicegate")
    assert edited.read_text() == "# mine\n"
    dpkg(tmp_path, "--purge", "sluicegate")
    assert not list(tmp_path.glob("usr/**/*sluicegate*")) and not edited.exists()


def test_the_image_has_every_library_that_the_program_needs(packages):
    [program] = packages.glob("bin/*/sluicegate")
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "--wide", "--dynamic", program)))

    assert {name for name in needed if not name.startswith("ld-linux")} <= LIBRARIES


def install(wheel, folder):
    """Installs a wheel into a new virtual environment, with nothing but that on the PATH, and returns its commands."""
    venv.create(folder)
    commands = folder / "bin"
    pip = [sys.executable, "-m", "pip", "--python", commands / "python", "--disable-pip-version-check"]
    run(*pip, "install", "--quiet", "--no-index", wheel, env={"PATH": str(commands)})
    return commands


def serves(gateway):
    """Returns `True` if the model answers a chat through the gateway, with the caller's balances."""
    with gateway.client() as client:
        answer = client.post(CHAT, json={"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 3})
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"] and answer.headers["ratelimit"]


def dpkg(root, *arguments):
    """Runs dpkg for the system in `root`, whose scripts run here because it has no shell."""
    forced = ["--force-script-chrootless", "--force-depends", "--force-not-root"]
    return run("dpkg", f"--root={root}", *forced, f"--log={root}/dpkg.log", *arguments)


def run(*command, env=None):
    """The output of a command that must succeed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=2 * TIMEOUT, env=env)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout
