"""Pages of a host that tracks."""

from __future__ import annotations

TAG = '<script src="/api/events/tracker.js" defer></script>'
BUTTON = """<button data-track-event="card_click" data-track-payload='{"number": 1}'>Buy</button>"""
LINK = """<a href="{}" data-track-event="card_click" data-track-payload='{{"number": 1}}'>Go</a>"""


def page(*, head: str = TAG, body: str = BUTTON) -> str:
    """Return a page. The script before all others is the test's: `Site.before`."""
    # A page without an icon makes browsers ask for one.
    return f"""<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Shop</title>
    <link rel="icon" href="data:," />
    <script src="/before.js"></script>
    {head}
  </head>
  <body>
    {body}
  </body>
</html>
"""


def home(*, tracker_host: str = "", link: str = "/next") -> str:
    """Return a page with a button and a link that are tracked."""
    head = TAG.replace('src="', f'src="{tracker_host}')
    return page(head=head, body=BUTTON + LINK.format(link))


def frame(source: str, attributes: str = "") -> str:
    """Return a page with another in it."""
    return page(head="", body=f'<iframe src="{source}" {attributes}></iframe>')
