"""Which connections to a database do several processes have?"""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path


def connections_to(port: int) -> set[str]:
    """Return the inodes of the sockets that are connected to a port of loopback."""
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        remote, inode = line.split()[2], line.split()[9]
        if int(remote.rpartition(":")[2], 16) == port:
            inodes.add(inode)
    return inodes


def owners(port: int, pids: Iterable[int]) -> dict[str, set[int]]:
    """Return which of these processes hold each connection to a port."""
    wanted = {f"socket:[{inode}]": inode for inode in connections_to(port)}
    found: dict[str, set[int]] = defaultdict(set)
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed while we looked
                if (target := os.readlink(descriptor)) in wanted:
                    found[wanted[target]].add(pid)
    return dict(found)


def open_files(pid: int, folder: Path) -> set[str]:
    """Return the names of the files of a folder that a process has open."""
    names = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            target = Path(os.readlink(descriptor))
            if target.parent == folder:
                names.add(target.name)
    return names
