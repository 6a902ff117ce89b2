"""The documents as tests read them: the README, and the pages of `docs/pages`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support import ROOT

PAGES = ROOT / "docs" / "pages"
README = "README"


@dataclass(frozen=True)
class Page:
    """A document: its Markdown, and what is in it."""

    path: Path
    text: str

    def blocks(self, language: str) -> list[str]:
        """Return the code blocks of a language, without the indentation of a list item."""
        found = re.findall(rf"^( *)```{re.escape(language)}\n(.*?)^ *```", self.text, _LINES)
        return [re.sub(rf"^{indent}", "", code, flags=re.MULTILINE) for indent, code in found]

    def block(self, language: str, word: str) -> str:
        """Return the only block of a language that has a word in it."""
        [found] = [block for block in self.blocks(language) if word in block]
        return found

    def rows(self, heading: str) -> list[list[str]]:
        """Return the rows of the first table under a heading."""
        section = re.split(rf"^#+ {re.escape(heading)}\n", self.text, flags=re.MULTILINE)[1]
        table = re.search(r"^\|[-|:]+\|\n((?:\|.*\n)+)", section, re.MULTILINE)
        assert table is not None, heading
        return [cells(row) for row in table.group(1).splitlines()]

    def prose(self) -> str:
        """Return the text without its code blocks."""
        return re.sub(r"^( *)```.*?^ *```", "", self.text, flags=_LINES)

    def anchors(self) -> set[str]:
        """Return the ids of its headings, as the site and a forge make them."""
        headings = re.findall(r"^#+ (.+)$", self.prose(), re.MULTILINE)
        return {
            re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())
            for heading in headings
        }

    def links(self) -> list[tuple[str, str]]:
        """Return the files and the anchors that it links to, in the repository."""
        return re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]*))?\)", self.prose())


_LINES = re.MULTILINE | re.DOTALL


def cells(table_row: str) -> list[str]:
    return [cell.strip() for cell in table_row.strip().strip("|").split("|")]


@cache
def page(name: str) -> Page:
    """Return a document by its name: "README", or that of a page, such as "guides/limits"."""
    path = ROOT / "README.md" if name == README else PAGES / f"{name}.md"
    return Page(path, path.read_text())


def names() -> list[str]:
    """Return the names of all documents."""
    pages = sorted(path.relative_to(PAGES).with_suffix("") for path in PAGES.rglob("*.md"))
    return [README, *map(str, pages)]
