"""Which of the optional packages are there, in which version."""

from __future__ import annotations

import re
from importlib import metadata

from tcs_events.cli.doctor.finding import Finding

_REQUIREMENT = re.compile(r"""([A-Za-z0-9._-]+).*extra == ['"]([a-z0-9-]+)['"]""")
_NOT_FOR_OPERATORS = {"fuzz", "test"}


def extras_finding() -> Finding:
    """Name every extra with what it brings; none has to be there."""
    found, absent = [], []
    for extra, package in _extras():
        try:
            found.append(f"{extra} ({package} {metadata.version(package)})")
        except metadata.PackageNotFoundError:
            absent.append(extra)
    text, gone = ", ".join(found) or "none", ", ".join(dict.fromkeys(absent))
    return Finding(f"extras: {text}" + (f"; not there: {gone}" if gone else ""))


def _extras() -> list[tuple[str, str]]:
    try:
        requirements = metadata.requires("tcs-events") or []
    except metadata.PackageNotFoundError:  # run from its source
        return []
    matches = filter(None, map(_REQUIREMENT.match, requirements))
    pairs = {(match[2], match[1]) for match in matches}
    return sorted(pair for pair in pairs if pair[0] not in _NOT_FOR_OPERATORS)
