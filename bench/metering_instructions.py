#!/usr/bin/env python3
"""Instructions that the gateway executes for a chat and its stream of 200 chunks, with and without a limit of tokens.

    cargo build --release --workspace --bin sluicegate --bin mock-model
    apt-get install valgrind
    python3 bench/metering_instructions.py [--functions 40] [target/release/sluicegate …]

Runs each binary in callgrind, before the mock model. One client sends a chat of 1 KB again and again, and chunks come one by
one. What the kernel does for them is not counted, so the ratio is larger than that of processor time.
"""

import argparse
import asyncio
import contextlib
import pathlib
import tempfile

import chats
from callgrind import functions, profiled, total
from environments import TARGET
from instructions import connect
from metering import CHUNKS, CONTENDERS, USAGES
from proxies import Bench, free_port

WARM_UP, COUNTED = 5, 20
# Callgrind takes about a millisecond for a chunk.
FIELDS = f"x-mock-output-tokens: {CHUNKS}\r\nx-mock-pause-ms: 3\r\n"


def main() -> None:
    options = arguments()
    print("| binary | usage |", " | ".join(CONTENDERS), "| ratio | more for a chunk |")
    print("|---" * (len(CONTENDERS) + 4) + "|")
    lists = []
    with contextlib.ExitStack() as stack:
        folder = options.keep or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = Bench(folder, options.binaries[0], 1, options.mock_model)
        stack.enter_context(chats.mock_model(bench))
        for binary in options.binaries:
            for usage, asks in USAGES.items():
                files = [profile(bench, binary, name, asks) for name in CONTENDERS]
                unmetered, metered = (total(file) / COUNTED for file in files)
                more = (metered - unmetered) / CHUNKS
                print(f"| {binary} | {usage} | {unmetered:,.0f} | {metered:,.0f} | {metered / unmetered:.3f} | {more:,.0f} |", flush=True)
                lists += [f"\n{file.stem}\n\n{functions(file, options.functions, COUNTED)}" for file in files if options.functions]
    print(*lists, sep="\n")


def profile(bench: Bench, binary: pathlib.Path, name: str, asks: bool) -> pathlib.Path:
    port, request = free_port(), chats.chat(asks_for_usage=asks, fields=FIELDS)
    policy = chats.POLICY.format(port=port, admin=free_port(), upstream=bench.upstream, route=CONTENDERS[name], more="")
    out = bench.folder / f"{binary.name}-{name}-{'asked' if asks else 'added'}"

    def ask(times: int) -> None:
        connect(port).close()
        for response in asyncio.run(chats.ask(port, request, 1, times)):
            assert response.status == 200 and response.events >= CHUNKS, response

    command = [binary, "serve", "--config", bench.written(f"{out.name}.toml", policy)]
    return profiled(command, out, ask, WARM_UP, COUNTED)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binaries", nargs="*", type=pathlib.Path, default=[TARGET / "release/sluicegate"])
    parser.add_argument("--functions", type=int, default=0, help="list so many functions that execute most")
    parser.add_argument("--keep", type=pathlib.Path, help="keep callgrind's files in this folder")
    parser.add_argument("--mock-model", type=pathlib.Path, default=TARGET / "release/mock-model")
    return parser.parse_args()


if __name__ == "__main__":
    main()
