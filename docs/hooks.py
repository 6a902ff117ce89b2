"""What the build of the site adds to the pages in `docs/pages`.

The README is the first page and the changelog the last, as they stand in the root of the
repository. A link to another file of the repository, which is not part of the site, becomes plain
text.
"""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import normpath, relpath
from typing import Any

from properdocs.structure.files import File

ROOT = Path(__file__).parent.parent
PAGES = "docs/pages"
BORROWED = {"README.md": "index.md", "CHANGELOG.md": "changelog.md"}
"""Files of the repository that are pages of the site, by their names there."""
LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^)#:\s]+)(?P<anchor>#[^)]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    for name, page in BORROWED.items():
        content = (ROOT / name).read_text()
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    place = page.file.src_uri
    source = {page: name for name, page in BORROWED.items()}.get(place, f"{PAGES}/{place}")

    def linked(link: re.Match[str]) -> str:
        target = normpath(f"{source}/../{link['target']}")
        if target in BORROWED:
            there = BORROWED[target]
        elif target.startswith(f"{PAGES}/"):
            there = target.removeprefix(f"{PAGES}/")
        else:
            return link["text"]
        return f"[{link['text']}]({relpath(there, place + '/..')}{link['anchor'] or ''})"

    return LINK.sub(linked, markdown)
