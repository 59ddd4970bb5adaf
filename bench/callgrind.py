"""Programs in callgrind, and reading its files."""

import collections
import os
import pathlib
import re
import subprocess

# Small ones, as of a core of many: what costs nothing where caches are large is seen.
CACHES = ["--cache-sim=yes", "--I1=32768,8,64", "--D1=32768,8,64", "--LL=1048576,16,64"]


def profiled(command, out: pathlib.Path, ask, warm_up: int, counted: int, *, caches=False, log="info") -> pathlib.Path:
    """Callgrind's file of a server while `ask` sends so many requests, after some to warm up."""
    options = [f"--callgrind-out-file={out}", *(CACHES if caches else [])]
    command = ["valgrind", "--tool=callgrind", *options, *map(str, command)]
    env = {**os.environ, "SLUICEGATE_LOG": log}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env) as server:
        try:
            ask(warm_up)
            control("--zero", server.pid)
            ask(counted)
            control("--dump", server.pid)
        finally:
            server.kill()
    return out.with_name(f"{out.name}.1")


def control(order: str, pid: int) -> None:
    subprocess.run(["callgrind_control", order, str(pid)], check=True, capture_output=True)


def total(file: pathlib.Path) -> int:
    """Instructions."""
    return totals(file)["Ir"]


def totals(file: pathlib.Path) -> dict[str, int]:
    """Everything that was counted, by its name in callgrind: Ir, and with caches I1mr, D1mr, D1mw and more."""
    text = file.read_text()
    names = re.search(r"^events: (.*)", text, re.M)[1].split()
    numbers = re.search(r"^(?:summary|totals): (.*)", text, re.M)[1].split()
    return dict(zip(names, map(int, numbers)))


def functions(file: pathlib.Path, count: int, requests: int) -> str:
    """The functions that execute most, each with its own instructions for one request."""
    own, names, function, is_call = collections.Counter(), {}, "", False
    for line in file.read_text().splitlines():
        kind, _, value = line.partition("=")
        if kind in ("fn", "cfn"):
            number, _, name = value.partition(" ")
            # A name is written once, and from then on its number stands for it.
            name = names.setdefault(number, name)
            function = name if kind == "fn" else function
        elif kind == "calls":
            is_call = True
        elif re.match(r"[\d+*-]", line):
            # The place of a line comes first. Behind a call stands what the callee has executed.
            own[function] += 0 if is_call else int(line.split()[1])
            is_call = False
    return "\n".join(f"{number / requests:8.0f}  {name}" for name, number in own.most_common(count))
