"""The target of an export: a file that appears only when it is complete, or stdout."""

from __future__ import annotations

import errno
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from tcs_events.cli.signals import ended_by
from tcs_events.cli.stdout import stdout
from tcs_events.export.new_file import NotReplaced, new_file

STDOUT = "-"


def check_stdout(file: str) -> None:
    """Refuse to write an export to a terminal.

    Raises:
        click.UsageError: the target is stdout, and stdout is a terminal.
    """
    if file == STDOUT and stdout().isatty():
        # A terminal obeys escape sequences, and an export contains what visitors typed.
        raise click.UsageError("Redirect stdout: `> FILE` or `| less`.")


@contextmanager
def writing_to(file: str, *, replace: bool) -> Iterator[IO[bytes]]:
    """Give a binary file to write to, and report its errors in one line.

    Raises:
        click.BadParameter: the file exists already, or its folder does not.
        click.ClickException: the file cannot be written.
    """
    try:
        # SIGTERM raises SystemExit, so that the unfinished file is removed. 143 is 128 + SIGTERM.
        with ended_by(signal.SIGTERM, exit_code=143), _opened(file, replace) as target:
            yield target
    except NotReplaced as error:
        raise click.BadParameter(str(error), param_hint="FILE") from None
    except FileNotFoundError:
        raise click.BadParameter(
            f"there is no folder {Path(file).parent}.", param_hint="FILE"
        ) from None
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise  # the reader of the pipe has closed it, such as `head`; click exits quietly
        raise click.ClickException(f"{file} could not be written: {error.strerror}.") from None


@contextmanager
def _opened(file: str, replace: bool) -> Iterator[IO[bytes]]:
    if file == STDOUT:
        yield stdout().buffer
        return
    with new_file(Path(file), replace=replace) as target:
        yield target
