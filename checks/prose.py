#!/usr/bin/env python3
"""Holds the prose of the repository to two rules of CONTRIBUTING.md.

Captions: under 3 % of the doc comments of Rust, and of the docstrings of Python, begin with a relative clause ("What is
left", "Whether it may"). Sentences: none in a doc comment, docstring or page has more than 35 words. Prints the place and
the text of each that breaks a rule, and exits with 1 if a rule is broken.

    checks/prose.py                    every file that git knows
    checks/prose.py --captions         also lists the captions within the 3 %
    checks/prose.py crates/sluicegate  only files below these paths
"""

import argparse
import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
MOST_RELATIVE_CAPTIONS = 0.03
MOST_WORDS = 35

RELATIVE = re.compile(
    r"(?:what|whatever|who|whom|whose|whoever|how|however|whether|where|wherever|when|whenever|why|which|whichever|that)\b",
    re.IGNORECASE,
)
RUST_DOC = re.compile(r"\s*//[/!](?!/) ?(.*)")
FENCE = re.compile(r"\s*(?:```|~~~)")
# Where a paragraph ends although no empty line follows: list items, headings, quotes, reference links.
LIST_ITEM = re.compile(r"^\s*(?:[-*+]|\d+\.)\s+")
HEADING = re.compile(r"^\s*#{1,6}\s+")
REFERENCE = re.compile(r"\s*\[[^\]]+\]:\s")
SENTENCE_END = re.compile(r"""[.!?…][)"'*_”]*\s+(?=["'(\[*_`“]*[A-Z0-9`])""")
ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|etc|vs|cf|Nos?)\.\s*$")


@dataclass(frozen=True)
class Line:
    """One line of prose and where it stands."""

    number: int
    text: str


@dataclass(frozen=True)
class Passage:
    """A doc comment, a docstring or a page."""

    path: Path
    lines: tuple[Line, ...]
    is_caption: bool

    def caption(self) -> Line | None:
        """The first line with text, unless it is a heading, a table or code."""
        first = next((line for line in self.lines if line.text.strip()), None)
        if not self.is_caption or first is None or FENCE.match(first.text) or HEADING.match(first.text):
            return None
        return first

    def begins_with_a_relative_clause(self) -> bool:
        first = self.caption()
        return first is not None and RELATIVE.match(first.text.strip()) is not None

    def long_sentences(self) -> Iterator[tuple[Line, int]]:
        for paragraph in paragraphs(self.lines):
            for sentence in sentences(paragraph):
                words = count_words(sentence.text)
                if words > MOST_WORDS:
                    yield sentence, words


def paragraphs(lines: tuple[Line, ...]) -> Iterator[list[Line]]:
    """Pieces of text that no sentence crosses. Cells of tables are pieces; code is left out."""
    piece: list[Line] = []
    is_code = False
    ended = True
    for line in lines:
        # Indented code stands behind an empty line, and deeper than an item of a list goes on.
        if ended and not is_code and line.text.startswith("    ") and not LIST_ITEM.match(line.text):
            continue
        if FENCE.match(line.text):
            is_code = not is_code
            ends = True
        elif is_code:
            continue
        elif line.text.lstrip().startswith("|"):
            yield from ([Line(line.number, cell)] for cell in re.split(r"(?<!\\)\|", line.text))
            ends = True
        else:
            ends = not line.text.strip() or bool(REFERENCE.match(line.text))
        if ends or LIST_ITEM.match(line.text) or HEADING.match(line.text):
            if piece:
                yield piece
            piece = []
        ended = ends
        if not ends:
            bare = HEADING.sub("", LIST_ITEM.sub("", line.text))
            piece.append(Line(line.number, bare.strip().removeprefix(">")))
            if HEADING.match(line.text):
                yield piece
                piece = []
    if piece:
        yield piece


def sentences(paragraph: list[Line]) -> Iterator[Line]:
    """The sentences of a paragraph, each with the line on which it begins."""
    text, starts = "", []
    for line in paragraph:
        starts.append((len(text), line.number))
        text += line.text + "\n"
    begin = 0
    ends = [match.end() for match in SENTENCE_END.finditer(text) if not ABBREVIATION.search(text[: match.end()])]
    for end in [*ends, len(text)]:
        number = [number for start, number in starts if start <= begin][-1]
        yield Line(number, " ".join(text[begin:end].split()))
        begin = end


def count_words(sentence: str) -> int:
    """Words as a reader counts them: code is one word, a link is its text."""
    text = re.sub(r"`+[^`]*`+", "code", sentence)
    text = re.sub(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])?", r"\1", text)
    return sum(any(character.isalnum() for character in word) for word in text.split())


def rust_passages(path: Path, source: str) -> Iterator[Passage]:
    block: list[Line] = []
    for number, text in enumerate([*source.splitlines(), ""], 1):
        if match := RUST_DOC.fullmatch(text):
            block.append(Line(number, match[1]))
        elif block:
            yield Passage(path, tuple(block), is_caption=True)
            block = []


def python_passages(path: Path, source: str) -> Iterator[Passage]:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or not node.body:
            continue
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            lines = first.value.value.splitlines()
            # Indented deeper than the text around it is code, as in Python's own documentation.
            indent = min((len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()), default=0)
            prose = (
                Line(first.lineno + offset, "" if line[indent:].startswith("    ") and offset else line)
                for offset, line in enumerate(lines)
            )
            yield Passage(path, tuple(prose), is_caption=True)


def page(path: Path, source: str) -> Iterator[Passage]:
    yield Passage(path, tuple(Line(number, text) for number, text in enumerate(source.splitlines(), 1)), is_caption=False)


LANGUAGES = {"Rust": {".rs"}, "Python": {".py", ".pyi"}}
READERS = {".rs": rust_passages, ".py": python_passages, ".pyi": python_passages, ".md": page}


def passages(paths: list[Path]) -> Iterator[Passage]:
    for path in paths:
        reader = READERS.get(path.suffix)
        if reader is not None:
            yield from reader(path, path.read_text(encoding="utf-8"))


def tracked_files(below: list[str]) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", "--", *below], cwd=ROOT, check=True, capture_output=True, text=True)
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def report(found: list[Passage], root: Path, show_captions: bool, out: TextIO) -> bool:
    """Prints what breaks the rules, and returns `True` if nothing does."""
    is_good = True
    for language, suffixes in LANGUAGES.items():
        captions = [passage for passage in found if passage.path.suffix in suffixes and passage.caption() is not None]
        relative = [passage for passage in captions if passage.begins_with_a_relative_clause()]
        share = len(relative) / max(len(captions), 1)
        is_too_many = share >= MOST_RELATIVE_CAPTIONS
        is_good &= not is_too_many
        if is_too_many or show_captions:
            for passage in relative:
                first = passage.caption()
                print(f"{passage.path.relative_to(root)}:{first.number}: {first.text.strip()}", file=out)
        print(
            f"{len(relative)} of {len(captions)} captions in {language} begin with a relative clause: {share:.1%}, "
            f"of under {MOST_RELATIVE_CAPTIONS:.0%}",
            file=out,
        )
    long = [(passage.path, *found) for passage in found for found in passage.long_sentences()]
    for path, sentence, words in long:
        print(f"{path.relative_to(root)}:{sentence.number}: {words} words: {sentence.text}", file=out)
    print(f"{len(long)} sentences have more than {MOST_WORDS} words", file=out)
    return is_good and not long


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", action="store_true", help="list all captions that begin with a relative clause")
    parser.add_argument("below", nargs="*", help="files and folders to look at (default: all)")
    arguments = parser.parse_args()
    found = list(passages(tracked_files(arguments.below)))
    return 0 if report(found, ROOT, arguments.captions, sys.stdout) else 1


if __name__ == "__main__":
    sys.exit(main())
