#!/usr/bin/env python3
"""Records the demo: runs it, pastes some of the lines that it prints into a shell, and draws both as demo.svg.

    cargo build --release -p demo
    docs/pictures/record_demo.py [target/release/demo]

The picture is animated: what the shell prints appears line by line. Where animation is off, it shows the end.
"""

import html
import pathlib
import re
import subprocess
import sys
import tempfile
import textwrap
import time

FOLDER = pathlib.Path(__file__).parent
# The beginnings of the lines of the guide that are recorded.
RECORDED = ["call $gate/predict -d", "for i in $(seq 10)", "call $gate/predict -d", "call $gate/premium/predict -d"]
COLUMNS, SIZE, LEADING, MARGIN = 108, 13, 18, 14
PAUSE, TYPING = 0.12, 1.6


def main() -> None:
    binary = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else FOLDER.parents[1] / "target/release/demo").resolve()
    with tempfile.TemporaryFile("w+") as log:
        demo = subprocess.Popen([binary], stdout=log, stderr=subprocess.STDOUT)
        try:
            guide = printed(log, "The models are trained")
            # Until the ramp of the warm-up has ended.
            time.sleep(12)
            lines = recorded(guide)
        finally:
            demo.terminate()
            demo.wait()
    (FOLDER / "demo.svg").write_text(drawn(lines))


def printed(log, end: str) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        log.seek(0)
        text = log.read()
        if end in text:
            return text
        time.sleep(0.1)
    raise SystemExit(f"the demo has not printed {end!r}:\n{text}")


def recorded(guide: str) -> list:
    """The lines of the terminal, each with the class that it is drawn in."""
    pasted = [line.strip() for line in guide.splitlines()]
    names = [line for line in pasted if re.match(r"gate=|free=|premium=|\w+\(\) \{", line)]
    lines, rest = [], pasted
    for wanted in RECORDED:
        at = next(number for number, line in enumerate(rest) if line.startswith(wanted))
        command, rest = rest[at], rest[at + 1 :]
        shell = subprocess.run(["bash"], input="\n".join([*names, command]), capture_output=True, text=True, check=True)
        lines.append((f"$ {command}", "command"))
        for line in shell.stdout.replace("\r", "").strip("\n").splitlines():
            # The fields that every response of HTTP has say nothing here.
            if not re.match(r"(date|content-length|content-type|cache-control|(x-)?request-id):", line):
                lines += [(part, style(line)) for part in textwrap.wrap(line, COLUMNS) or [""]]
        lines.append(("", "text"))
    return lines


def style(line: str) -> str:
    if line.startswith("HTTP/1.1 2"):
        return "good"
    if line.startswith("HTTP/1.1 "):
        return "bad"
    return "field" if re.match(r"(ratelimit|retry-after)", line) else "text"


def drawn(lines: list) -> str:
    width, height = COLUMNS * SIZE * 0.602 + 2 * MARGIN, (len(lines) + 1) * LEADING + 2 * MARGIN
    parts, at = [], 0.0
    for number, (text, kind) in enumerate(lines):
        at += TYPING if kind == "command" else PAUSE
        y = MARGIN + (number + 1) * LEADING
        parts.append(f"<text x='{MARGIN}' y='{y}' class='{kind}' style='animation-delay:{at:.2f}s'>{html.escape(text)}</text>")
    return f"""<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height}' role='img' aria-label='A shell that asks the demo'>
<style>
  text {{ font: {SIZE}px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: pre; fill: #c9d1d9 }}
  .command {{ fill: #f0f6fc; font-weight: 600 }} .good {{ fill: #3fb950 }} .bad {{ fill: #f0883e }} .field {{ fill: #79c0ff }}
  @media (prefers-reduced-motion: no-preference) {{ text {{ animation: appear .1s both }} }}
  @keyframes appear {{ from {{ opacity: 0 }} to {{ opacity: 1 }} }}
</style>
<rect width='100%' height='100%' rx='8' fill='#0d1117'/>
{chr(10).join(parts)}
</svg>
"""


if __name__ == "__main__":
    main()
