"""Lists the extras that are installed, with their versions."""

from __future__ import annotations

import re
from importlib import metadata

from tcs_events.cli.doctor.finding import Finding

_REQUIREMENT = re.compile(r"""([A-Za-z0-9._-]+).*extra == ['"]([a-z0-9-]+)['"]""")
_NOT_FOR_OPERATORS = {"fuzz", "test"}


def extras_finding() -> Finding:
    """Return a finding that lists every extra. None is needed, so it is always "ok"."""
    packages: dict[str, list[str]] = {}
    for extra, package in _extras():
        packages.setdefault(extra, []).append(package)
    versions = {extra: _versions(names) for extra, names in packages.items()}
    installed = [f"{extra} ({text})" for extra, text in versions.items() if text]
    missing = ", ".join(extra for extra, text in versions.items() if not text)
    return Finding(
        f"extras: {', '.join(installed) or 'none'}" + (missing and f"; not installed: {missing}")
    )


def _versions(packages: list[str]) -> str:
    """Return an extra's packages with their versions; "" if one of them is not installed."""
    try:
        return ", ".join(f"{package} {metadata.version(package)}" for package in packages)
    except metadata.PackageNotFoundError:
        return ""


def _extras() -> list[tuple[str, str]]:
    try:
        requirements = metadata.requires("tcs-events") or []
    except metadata.PackageNotFoundError:  # run from source, without being installed
        return []
    matches = filter(None, map(_REQUIREMENT.match, requirements))
    pairs = {(match[2], match[1]) for match in matches}
    return sorted(pair for pair in pairs if pair[0] not in _NOT_FOR_OPERATORS)
