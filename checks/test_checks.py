"""The checks find what they are for. Run by `python3 -m unittest discover checks`."""

import io
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import links
import prose


class Folder(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name).resolve()

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path


class Prose(Folder):
    def judge(self, name: str, text: str) -> tuple[bool, str]:
        out = io.StringIO()
        passed = prose.report(list(prose.passages([self.write(name, text)])), self.root, False, out)
        return passed, out.getvalue()

    def test_a_relative_clause_is_told_with_its_place(self):
        passed, said = self.judge("a.rs", "struct A;\n\n/// Whether it may\n/// pass.\nfn a() {}\n")
        self.assertFalse(passed)
        self.assertIn("a.rs:3: Whether it may", said)

    def test_module_comments_and_docstrings_are_captions_too(self):
        self.assertFalse(self.judge("a.rs", "//! What is left.\n")[0])
        self.assertFalse(self.judge("a.py", '"""How many there are."""\n')[0])
        self.assertFalse(self.judge("b.py", 'class A:\n    def b(self):\n        """Who asks."""\n')[0])

    def test_a_noun_and_a_verb_pass(self):
        self.assertTrue(self.judge("a.rs", "/// A lease.\nstruct A;\n\n/// Returns `true` if it may pass.\nfn a() {}\n")[0])

    def test_one_of_many_is_tolerated_and_one_of_few_is_not(self):
        good = "/// A thing.\nstruct A;\n\n"
        bad = "/// What it is.\nstruct B;\n"
        self.assertTrue(self.judge("a.rs", good * 34 + bad)[0])
        self.assertFalse(self.judge("a.rs", good * 32 + bad)[0])

    def test_many_python_captions_do_not_excuse_rust(self):
        rust = self.write("a.rs", "/// What it is.\nstruct A;\n")
        python = self.write("a.py", '"""A module."""\n' + 'def f():\n    """A thing."""\n' * 100)
        self.assertFalse(prose.report(list(prose.passages([rust, python])), self.root, False, io.StringIO()))

    def test_a_long_sentence_is_told_with_the_line_on_which_it_begins(self):
        passed, said = self.judge("a.md", "# Title\n\nShort. Long" + " word" * 20 + "\n" + "word " * 15 + ".\n")
        self.assertFalse(passed)
        self.assertIn("a.md:3: 36 words: Long word", said)
        self.assertTrue(self.judge("a.md", "Long" + " word" * 34 + ".\n")[0])

    def test_code_is_no_prose_and_a_link_is_its_text(self):
        self.assertTrue(self.judge("a.md", "```\n" + "word " * 40 + "\n```\n")[0])
        self.assertTrue(self.judge("a.md", "Text\n\n    " + "word " * 40 + "\n    word\n\nText.\n")[0])
        self.assertFalse(self.judge("a.md", "Text\n    " + "word " * 40 + "\n")[0])
        self.assertTrue(self.judge("a.md", "`" + "word " * 40 + "` is one word.\n")[0])
        self.assertTrue(self.judge("a.md", "Word " * 34 + "[one](<two three four>).\n")[0])
        self.assertTrue(self.judge("a.py", 'def f():\n    """Does it.\n\n    Example:\n\n        ' + "w " * 40 + '\n    """\n')[0])

    def test_emphasis_and_dashes_within_a_sentence_begin_no_item(self):
        self.assertFalse(self.judge("a.md", "A *quota* - an amount - " + "word " * 33 + ".\n")[0])

    def test_no_sentence_crosses_cells_items_or_headings(self):
        self.assertTrue(self.judge("a.md", "| " + "word " * 20 + "| " + "word " * 20 + "|\n")[0])
        self.assertTrue(self.judge("a.md", "* " + "word " * 20 + "\n* " + "word " * 20 + "\n")[0])
        self.assertTrue(self.judge("a.md", "# " + "word " * 20 + "\n" + "word " * 20 + "\n")[0])
        self.assertFalse(self.judge("a.md", "| " + "word " * 36 + "| b |\n")[0])


class Links(Folder):
    def broken(self, name: str, text: str) -> list[tuple[int, str]]:
        return list(links.broken_links(self.write(name, text), self.root))

    def test_a_file_that_is_not_there(self):
        self.assertEqual(self.broken("a.md", "\nSee [b](b.md).\n"), [(2, "b.md")])

    def test_a_heading_that_is_not_there(self):
        self.write("docs/b.md", "# The `b` of it\n\n```\n# no heading\n```\n")
        text = "[x](docs/b.md#the-b-of-it) [y](docs/b.md#no-heading) [z](#here)\n\n## Here\n"
        self.assertEqual(self.broken("a.md", text), [(1, "docs/b.md#no-heading")])

    def test_a_file_or_folder_that_a_page_names(self):
        self.write("crates/a/src/lib.rs", "")
        self.assertEqual(self.broken("a.md", "`crates/a/src/` and `crates/a/src/lib.rs`\n"), [])
        self.assertEqual(self.broken("a.md", "\n`crates/a/src/b.rs`\n"), [(2, "crates/a/src/b.rs")])
        self.assertEqual(self.broken("CHANGELOG.md", "`crates/a/src/b.rs` was there\n"), [])

    def test_a_page_that_code_names(self):
        self.write("docs/b.md", "# B\n")
        self.assertEqual(self.broken("src/a.rs", "// see docs/b.md\n// and docs/c.md#d\n"), [(2, "docs/c.md#d")])

    def test_code_in_a_page_and_other_sites_are_left_alone(self):
        self.assertEqual(self.broken("a.md", "```\n[b](b.md)\n```\n`[c](c.md)` [d](https://example.com/d)\n"), [])


if __name__ == "__main__":
    unittest.main()
