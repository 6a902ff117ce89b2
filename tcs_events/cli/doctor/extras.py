"""Which of the optional packages are there, in which version."""

from __future__ import annotations

import re
from importlib import metadata

from tcs_events.cli.doctor.finding import Finding

_REQUIREMENT = re.compile(r"""([A-Za-z0-9._-]+).*extra == ['"]([a-z0-9-]+)['"]""")
_NOT_FOR_OPERATORS = {"fuzz", "test"}


def extras_finding() -> Finding:
    """Name every extra with what it brings; none has to be there."""
    packages: dict[str, list[str]] = {}
    for extra, package in _extras():
        packages.setdefault(extra, []).append(package)
    versions = {extra: _versions(names) for extra, names in packages.items()}
    found = [f"{extra} ({text})" for extra, text in versions.items() if text]
    absent = ", ".join(extra for extra, text in versions.items() if not text)
    return Finding(f"extras: {', '.join(found) or 'none'}" + (absent and f"; not there: {absent}"))


def _versions(packages: list[str]) -> str:
    """Return the packages of an extra with their versions, "" where one of them is not there."""
    try:
        return ", ".join(f"{package} {metadata.version(package)}" for package in packages)
    except metadata.PackageNotFoundError:
        return ""


def _extras() -> list[tuple[str, str]]:
    try:
        requirements = metadata.requires("tcs-events") or []
    except metadata.PackageNotFoundError:  # run from its source
        return []
    matches = filter(None, map(_REQUIREMENT.match, requirements))
    pairs = {(match[2], match[1]) for match in matches}
    return sorted(pair for pair in pairs if pair[0] not in _NOT_FOR_OPERATORS)
