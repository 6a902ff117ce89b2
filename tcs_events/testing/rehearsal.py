"""Keeps events out of every database and every count, while tests look at them.

A test that really stored its events would have to delete them again, and could not in two common
cases. On SQLite, a host that rolls back after each test holds the file's only write lock until
then, and our own connection would wait for it. On PostgreSQL, a host may create the tables in the
transaction that it rolls back, where our own connection does not see them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from tcs_events.event import Outcome, Record
from tcs_events.intake.intake import Intake, Verdict
from tcs_events.intake.linking import Linker, Person
from tcs_events.intake.rejections import KeptRejections
from tcs_events.intake.sender import Sender
from tcs_events.models import EVENTS_TABLE
from tcs_events.stores.contract import Result
from tcs_events.stores.sql import SqlStore
from tcs_events.tracking import track as recording_from_python
from tcs_events.tracking.login import Logins
from tcs_events.watch.counters import Counters


@contextmanager
def nothing_stored(ignored: Callable[[Outcome, str], None]) -> Iterator[None]:
    """Have no app of this process store an event, keep a refused one, limit or count any.

    All else is as ever: schemas, scrubbing, screening, signals, log lines and answers. An
    `event_id` that comes again is a duplicate.

    Args:
        ignored: called with the outcome and the reason of events that have no signal: those of
            senders who opted out, of crawlers, and duplicates.
    """
    seen: dict[SqlStore, set[Any]] = {}

    def append(store: SqlStore, records: Sequence[Record], size_bytes: int = 0) -> list[Result]:
        ids, results = seen.setdefault(store, set()), list[Result]()
        for record in records:
            is_new = record[0] not in ids
            ids.add(record[0])
            results.append(Outcome.ACCEPTED if is_new else Outcome.DUPLICATE)
            if not is_new and store._table.name == EVENTS_TABLE:
                ignored(Outcome.DUPLICATE, "its event_id came before")
        return results

    def admit(intake: Intake, sender: Sender, items: int) -> Verdict | None:
        verdict = intake._screen(sender) if intake._screen is not None else None
        if verdict is not None:
            ignored(*verdict)
        return verdict

    def stored(
        intake: Intake, records: Sequence[Record], sender: Sender, now: object, size_bytes: int
    ) -> Sequence[Result]:
        # Without the limits of sessions and the marks of crawlers, which other tests would meet.
        return intake._store.append(records, size_bytes)

    def link(
        linker: Linker,
        session_id: str | None,
        person: Person,
        *,
        verdict: Verdict | None = None,
        first_stands: bool = False,
    ) -> bool:
        # It would look for the session's user in the database, where none is stored meanwhile.
        if verdict is None:
            linker._checked(session_id, person)
        return verdict is None

    def link_after(logins: Logins, response: Any) -> Any:
        return response  # it would remember a link that is not stored

    def nothing(*_: object, **__: object) -> None:
        """Count or keep nothing, and wait for no lock of the host's session."""

    replaced: list[tuple[object, dict[str, Callable[..., Any]]]] = [
        (SqlStore, {"append": append}),
        (Intake, {"admit": admit, "_stored": stored}),
        (KeptRejections, {"keep": nothing}),
        (Linker, {"link": link}),
        (Logins, {"_link_after": link_after}),
        (recording_from_python, {"lock_of": nothing}),
        (Counters, {"end": nothing, "end_identity": nothing, "note": nothing}),
    ]
    # Not on one app: a host may make its app for all tests together, or within this one.
    with ExitStack() as stack:
        for owner, methods in replaced:
            for name, method in methods.items():
                stack.enter_context(patch.object(owner, name, method))
        yield
