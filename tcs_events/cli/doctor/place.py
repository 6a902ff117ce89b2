"""Checks where the SQLite file is, and whether another file has events too."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable
from urllib.parse import quote

from flask import Flask
from sqlalchemy import Engine

from tcs_events.cli.doctor.finding import HINT, Finding
from tcs_events.database.pools import is_lasting
from tcs_events.database.sqlite_file import path_of

NETWORK_FILE_SYSTEMS = {
    *("9p", "afs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "lustre"),
    *("nfs", "nfs4", "smb3", "smbfs", "virtiofs"),
}
MOUNTS = "/proc/self/mounts"


def place_findings(app: Flask, engine: Engine) -> list[Finding]:
    """Check the place of the SQLite file. No findings for other databases, or if all is well."""
    if engine.dialect.name != "sqlite" or not is_lasting(engine):
        return []
    findings = []
    path = path_of(engine)
    what = f"SQLite file {path}"
    if (kind := file_system_of(path)) in NETWORK_FILE_SYSTEMS:
        remedy = f"it is on {kind}, where SQLite may be damaged when several machines write"
        findings.append(Finding(what, HINT, f"{remedy}; move it to a local disk"))
    for other in others_of_its_name(path, (os.getcwd(), app.root_path, app.instance_path)):
        remedy = f"{other} holds events, too; a process that was started in another folder, or with"
        findings.append(Finding(what, HINT, f"{remedy} another URL, writes there"))
    return findings


def file_system_of(path: str, mounts: str = MOUNTS) -> str:
    """Return the type of file system that a path is on; "" if it is unknown."""
    try:
        with open(mounts) as lines:
            fields = [line.split() for line in lines]
    except OSError:
        return ""
    folder = os.path.realpath(os.path.dirname(path))
    mounted = [
        (len(point), kind)
        for _, point, kind, *_ in fields
        if folder == point or folder.startswith(point.rstrip("/") + "/")
    ]
    return max(mounted, default=(0, ""))[1]


def others_of_its_name(path: str, folders: Iterable[str]) -> list[str]:
    """Return the databases of the same name in these folders that have events.

    A relative database URL leads to such a file when a process starts in another folder.
    """
    name = os.path.basename(path)
    candidates = {os.path.realpath(os.path.join(folder, name)) for folder in folders}
    return sorted(filter(_has_events, candidates - {os.path.realpath(path)}))


def _has_events(path: str) -> bool:
    if not os.path.isfile(path):
        return False
    with contextlib.closing(sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)) as driver:
        try:
            return driver.execute("SELECT 1 FROM user_events LIMIT 1").fetchone() is not None
        except sqlite3.Error:
            return False
