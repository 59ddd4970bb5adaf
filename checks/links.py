#!/usr/bin/env python3
"""Finds links in Markdown that lead to no file or no heading of this repository.

Names of pages in code (`docs/stores.md`, `docs/tls.md#renewal`) are links, too, and so are names of files and folders in
Markdown (`crates/sluicegate/src/store.rs`). Prints the place of each broken
link, and exits with 1 if there is one. Links to other sites are not opened.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE = re.compile(r"^\s*(```|~~~).*?^\s*\1|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)|^\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.MULTILINE)
FILE_IN_CODE = re.compile(r"`((?:bench|checks|crates|docs|e2e|examples|findings|fuzz|packaging)/[\w./-]+)`")
PAGE_IN_CODE = re.compile(r"\bdocs/[a-z-]+\.md(?:#[a-z0-9-]+)?")


@cache
def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    text = re.sub(r"^\s*```.*?^\s*```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found: set[str] = set()
    for title in HEADING.findall(text):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        anchor = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        number = 0
        while (numbered := f"{anchor}-{number}" if number else anchor) in found:
            number += 1
        found.add(numbered)
    return found


def is_broken(path: Path, target: str) -> bool:
    """Returns `True` if a target, relative to the file that names it, is not there."""
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return False
    name, _, anchor = target.partition("#")
    page = (path.parent / name).resolve() if name else path
    if not page.exists():
        return True
    return bool(anchor) and page.suffix == ".md" and anchor not in anchors(page)


def broken_links(path: Path, root: Path) -> Iterator[tuple[int, str]]:
    """Each broken link of a file, with its line."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        # Code keeps its line ends, so that lines stay what they are.
        prose = CODE.sub(lambda code: "\n" * code[0].count("\n"), text)
        links = [(match.start(), match[1] or match[2], path) for match in LINK.finditer(prose)]
        if path.name != "CHANGELOG.md":
            files = FILE_IN_CODE.finditer(text)
            links += [(match.start(), match[1], root / "README.md") for match in files]
    else:
        prose = text
        links = [(match.start(), match[0], root / "README.md") for match in PAGE_IN_CODE.finditer(prose)]
    for start, target, base in links:
        if is_broken(base, target):
            yield prose.count("\n", 0, start) + 1, target


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    paths = [ROOT / name for name in listed.stdout.split("\0") if name.endswith((".md", ".rs", ".py", ".sh"))]
    broken = 0
    for path in paths:
        if path.is_file() and "checks" not in path.relative_to(ROOT).parts:
            for number, target in broken_links(path, ROOT):
                broken += 1
                print(f"{path.relative_to(ROOT)}:{number}: nothing is at {target}")
    print(f"{broken} broken links")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
