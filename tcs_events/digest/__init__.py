"""What happened in a period, short enough for a mail: as text and as HTML.

from tcs_events.digest import as_html, as_text, digest
from tcs_events.reports import Reports

reports = Reports(create_engine("sqlite:///app.db"), timezone="Europe/Berlin")
print(as_text(digest(reports, reports.last_days(7))))
"""

from tcs_events.digest.contents import Change, Digest, Wanted, digest
from tcs_events.digest.html import as_html
from tcs_events.digest.text import as_text

__all__ = ["Change", "Digest", "Wanted", "as_html", "as_text", "digest"]
