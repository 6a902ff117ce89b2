"""Where a command writes what it was asked for: a file that is whole or not there, or stdout."""

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
    """See that stdout, if that is the target, is no terminal.

    Raises:
        click.UsageError: it is one.
    """
    if file == STDOUT and stdout().isatty():
        # A terminal obeys escape sequences, and an export holds what visitors have typed.
        raise click.UsageError("Send what goes to stdout on: `> FILE`, or `| less`.")


@contextmanager
def writing_to(file: str, *, replace: bool) -> Iterator[IO[bytes]]:
    """Give what to write to, and word what goes wrong in the block with the file.

    Raises:
        click.BadParameter: something is there already, or there is no such folder.
        click.ClickException: it cannot be written.
    """
    try:
        # 143 is what a shell says of SIGTERM; raised, it removes the unfinished file.
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
            raise  # whoever read it has read enough: click knows what to do
        raise click.ClickException(f"{file} could not be written: {error.strerror}.") from None


@contextmanager
def _opened(file: str, replace: bool) -> Iterator[IO[bytes]]:
    if file == STDOUT:
        yield stdout().buffer
        return
    with new_file(Path(file), replace=replace) as target:
        yield target
