"""Opens a file to import, whatever its format."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tcs_events.importing.csv_rows import CsvRows
from tcs_events.importing.ndjson_rows import NdjsonRows
from tcs_events.importing.parquet_rows import ParquetRows
from tcs_events.importing.rows import RowFile
from tcs_events.importing.text_file import TextFile

SUFFIXES = {
    "csv": "csv",
    "tsv": "csv",
    "ndjson": "ndjson",
    "jsonl": "ndjson",
    "parquet": "parquet",
}
"""The formats by the suffixes of their files."""


def format_of(path: Path) -> str | None:
    """Return the format that the name of a file says. None if it says none."""
    suffixes = [suffix.removeprefix(".").lower() for suffix in path.suffixes]
    if suffixes[-1:] == ["gz"]:
        suffixes.pop()
    return SUFFIXES.get(suffixes[-1]) if suffixes else None


@contextmanager
def open_rows(path: Path, format_name: str) -> Iterator[RowFile]:
    """Give the rows of a file in one of the formats of `export`.

    Raises:
        PyarrowMissing: the format is Parquet, and pyarrow is not installed.
        OSError: the file cannot be read.
        FileUnreadable: it is not of this format, or it turns out to be damaged.
    """
    if format_name == "parquet":
        with closing(ParquetRows(path)) as rows:
            yield rows
        return
    with closing(TextFile(path)) as file:
        yield CsvRows(path, file) if format_name == "csv" else NdjsonRows(file)
