"""The site of the documents builds without a warning, and needs no other server."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import names, page
from tests.support import ROOT, need

CONFIG = ROOT / "docs" / "properdocs.yml"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for module in ("properdocs", "properdocs_theme_mkdocs", "pygments"):
        need(importlib.util.find_spec(module), module, "pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = ["-m", "properdocs", "build", "--strict", "-f", str(CONFIG), "-d", str(folder)]
    built = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return folder


def test_every_document_is_a_page_of_the_site(site: Path) -> None:
    for name in names():
        file = "index" if name == "README" else name
        assert (site / f"{file}.html").exists(), name
    assert (site / "changelog.html").exists()


def test_every_link_of_the_site_leads_to_a_place_that_is_there(site: Path) -> None:
    pages = {path: path.read_text() for path in site.rglob("*.html") if path.stem != "404"}
    ids = {path: set(re.findall(r'\bid="([^"]+)"', html)) for path, html in pages.items()}
    for path, html in pages.items():
        for target, anchor in re.findall(r'<a [^>]*href="([^"#:]*)(?:#([^"]*))?"', html):
            there = (path.parent / target).resolve() if target else path
            assert there.exists(), f"{path.name}: {target}"
            assert not anchor or anchor in ids[there], f"{path.name}: {target}#{anchor}"


def test_no_page_loads_anything_from_another_server(site: Path) -> None:
    for path in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|link|img)\b[^>]*(?:src|href)="([^"]+)"', path.read_text())
        assert not [address for address in loaded if re.match(r"(https?:)?//", address)], path.name


def test_tables_and_code_are_shown_as_such(site: Path) -> None:
    """A table or a block that Markdown does not take for one stands in the text with its signs."""
    for name in names():
        html = (site / f"{'index' if name == 'README' else name}.html").read_text()
        text = re.sub(r"<pre.*?</pre>|<code.*?</code>", "", html, flags=re.DOTALL)
        assert "```" not in text, name
        assert not re.search(r"\|\s*-{3}", text), name
        assert html.count("<table>") == len(re.findall(r"^\|[-|:]+\|$", page(name).prose(), re.M))
