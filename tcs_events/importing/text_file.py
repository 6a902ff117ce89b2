"""Reads a text file by lines, also a compressed one, with a limit for each line."""

from __future__ import annotations

import codecs
import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tcs_events.importing.errors import FileUnreadable
from tcs_events.importing.rows import MAX_ROW_BYTES

_GZIP = b"\x1f\x8b"


class TextFile:
    """The lines of a file, as bytes with their ends. A file that gzip compressed is unpacked.

    Raises:
        OSError: the file cannot be read.
        FileUnreadable: it is in UTF-16.
    """

    def __init__(self, path: Path) -> None:
        self._raw = path.open("rb")
        start = self._raw.read(4)
        self._raw.seek(0)
        self.size = os.fstat(self._raw.fileno()).st_size
        self._file: IO[bytes] | gzip.GzipFile = self._raw
        if start.startswith(_GZIP):
            self._file = gzip.GzipFile(fileobj=self._raw)
        elif start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            self.close()
            raise FileUnreadable(f"{path} is in UTF-16; save it as UTF-8.")
        self._path = path
        self.line = 0
        """The number of the line that was read last."""
        self.has_mark = False
        """Whether the file begins with a byte order mark, once its first line is read."""

    def done(self) -> int:
        """Return how many bytes of the file are read."""
        return self._raw.tell()

    def close(self) -> None:
        """Close the file."""
        self._raw.close()

    def __iter__(self) -> Iterator[bytes]:
        """Give the lines. Of a line that is too long, only the start is given: a byte too much.

        Raises:
            FileUnreadable: the file is damaged.
        """
        while line := self._next():
            self.line += 1
            if self.line == 1 and line.startswith(codecs.BOM_UTF8):
                self.has_mark = True
                line = line.removeprefix(codecs.BOM_UTF8)
            if len(line) > MAX_ROW_BYTES and not line.endswith(b"\n"):
                self._skip_rest()
            yield line

    def _next(self) -> bytes:
        try:
            return self._file.readline(MAX_ROW_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise FileUnreadable(
                f"{self._path} is damaged after line {self.line:,} ({type(error).__name__})."
            ) from None

    def _skip_rest(self) -> None:
        while (rest := self._next()) and not rest.endswith(b"\n"):
            pass
