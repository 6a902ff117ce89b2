"""Reads a trace of a server's system calls: was each 202 sent after the sync of its event?

`durable` holds an event once a sync of its file has ended that began after the event was written
there whole, that is with the mark of its commit. The trace is in the order in which the kernel let
the threads go on, so a sync that ended before the 202 was sent stands above it.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from tests.support import need

CALLS = "pwrite64,write,fsync,fdatasync,sendto,recvfrom"
PAGE_BYTES = 5000  # more than a page of SQLite

_CALL = re.compile(r"^(\d+) +(\w+)\((\d+)<([^>]*)>(.*)$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")
_RESULT = re.compile(r" = (-?\d+)(?: .*)?$")
_POSTED_ID = re.compile(r'event_id\\": \\"([0-9a-f-]{36})')
_HEX_RUN = re.compile(r"[0-9a-f]{32,}")
_HEADER = re.compile(r'^, ("(?:[^"\\]|\\.)*"), 24, ')


def strace(output: str, *options: str) -> list[str]:
    """Return the command that runs another one under strace."""
    how = "apt-get install strace, where processes may be traced"
    found = shutil.which("strace")
    need(
        found and subprocess.run([found, "-f", "true"], capture_output=True).returncode == 0,
        "strace",
        how,
    )
    return ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "signal=none", "-o", output, *options]


def tracing(output: str, *options: str) -> list[str]:
    return strace(output, "-y", "-s", str(PAGE_BYTES), "-e", f"trace={CALLS}", *options)


@dataclass
class _File:
    written: set[str] = field(default_factory=set)
    committed: set[str] = field(default_factory=set)
    commit_mark: bool = False


class SyncOrder:
    """Reads a trace line by line and keeps the count of 202s, in and out of order."""

    def __init__(self) -> None:
        self.acknowledged = 0
        self.too_early: list[str] = []
        self.syncs = 0
        self.failed_syncs = 0
        self._known: set[str] = set()
        self._durable: set[str] = set()
        self._files: dict[str, _File] = defaultdict(_File)
        self._syncing: dict[str, set[str]] = {}
        self._awaiting: dict[str, list[str]] = defaultdict(list)
        self._begun: dict[str, tuple[str, str, str]] = {}

    def read(self, lines: Iterable[str]) -> None:
        for line in lines:
            if found := _CALL.match(line):
                thread, call, _, target, rest = found.groups()
                self._starts(thread, call, target, rest)
                if rest.endswith("<unfinished ...>"):
                    self._begun[thread] = (call, target, rest)
                else:
                    self._ends(thread, call, target, rest)
            elif (found := _RESUMED.match(line)) and found[1] in self._begun:
                call, target, rest = self._begun.pop(found[1])
                self._ends(found[1], call, target, rest + found[3])

    def _starts(self, thread: str, call: str, target: str, rest: str) -> None:
        if call in ("fsync", "fdatasync"):
            self._syncing[thread] = set(self._files[target].committed)
        elif call == "sendto" and "HTTP/1.1 202" in rest:
            for event_id in self._awaiting.pop(target, ()):
                self.acknowledged += 1
                if event_id not in self._durable:
                    self.too_early.append(event_id)

    def _ends(self, thread: str, call: str, target: str, rest: str) -> None:
        result = _RESULT.search(rest)
        failed = result is None or int(result[1]) < 0
        if call in ("fsync", "fdatasync"):
            # After a failure the kernel takes the pages for clean, and the next sync that succeeds
            # says nothing of them: what was written has to be written again.
            synced = self._syncing.pop(thread)
            self._files[target].committed -= synced
            if failed:
                self.failed_syncs += 1
            else:
                self.syncs += 1
                self._durable |= synced
        elif failed:
            return
        elif call == "recvfrom":
            for posted in _POSTED_ID.findall(rest):
                event_id = UUID(posted).hex
                self._known.add(event_id)
                self._awaiting[target].append(event_id)
        elif call in ("pwrite64", "write") and not target.startswith(("socket:", "pipe:")):
            self._wrote(target, rest)

    def _wrote(self, target: str, rest: str) -> None:
        file = self._files[target]
        file.written |= (self._ids(rest) & self._known) - self._durable
        if target.endswith("-wal") and (header := _HEADER.match(rest)):
            # The header of a frame: the size of the database stands in the last one of a commit,
            # https://www.sqlite.org/fileformat2.html#the_write_ahead_log. Its page comes next.
            file.commit_mark = any(ast.literal_eval("b" + header[1])[4:8])
            return
        if file.commit_mark or not target.endswith("-wal"):
            file.committed |= file.written
            file.written = set()
            file.commit_mark = False

    @staticmethod
    def _ids(rest: str) -> set[str]:
        runs = _HEX_RUN.findall(rest)
        return {run[i : i + 32] for run in runs for i in range(len(run) - 31)}
