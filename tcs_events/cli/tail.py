"""The command that prints the newest events, and new ones as they are stored or refused."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Any, NamedTuple

import click
from flask import current_app

from tcs_events.cli import options
from tcs_events.cli.command import command
from tcs_events.cli.newest import Newest
from tcs_events.cli.output import print_json, print_line
from tcs_events.cli.visible import visible, visible_json
from tcs_events.errors import EventInvalid
from tcs_events.host import registration_of
from tcs_events.models import UserEvent, UserEventRejection

POLL_SECONDS = 0.5


class _Row(NamedTuple):
    """An event. The fields are the columns of `user_events` that are printed."""

    id: int
    session_id: str
    event_type: str
    payload: dict[str, Any]
    email: str | None
    created_at: datetime

    def document(self, with_email: bool) -> dict[str, object]:
        """Return the event as it is printed for programs."""
        document: dict[str, object] = self._asdict()
        if not with_email:
            del document["email"]
        return document

    def line(self, with_email: bool) -> str:
        """Return the event as it is printed for people."""
        texts = [visible(self.session_id), visible(self.event_type), visible_json(self.payload)]
        if with_email and self.email is not None:
            texts.append(visible(self.email))
        return "  ".join([_written(self.created_at), *texts])


class _Refused(NamedTuple):
    """A refused event. The fields are the columns of `user_event_rejections` that are printed."""

    id: int
    received_at: datetime
    session_id: str | None
    event_type: str | None
    email: str | None
    errors: dict[str, Any]
    size_bytes: int | None
    sample: str | None

    def document(self, with_email: bool) -> dict[str, object]:
        """Return the refused event as it is printed for programs."""
        document: dict[str, object] = self._asdict()
        document["sample"] = sample = self._sent()
        if not with_email:
            del document["email"]
            (sample or {}).pop("email", None)
        return document

    def line(self, with_email: bool) -> str:
        """Return the refused event and each reason as they are printed for people."""
        whose = [visible(text or "-") for text in (self.session_id, self.event_type)]
        why = [
            visible(f"{detail['path'] or 'the event'}: {detail['message']}")
            for detail in EventInvalid(self.errors).details
        ]
        sent = self._sent()
        texts = [visible_json(sent.get("payload"))] if sent else ["(what was sent is not kept)"]
        if with_email and self.email is not None:
            texts.append(visible(self.email))
        return "  ".join([_written(self.received_at), *whose, *why, *texts])

    def _sent(self) -> dict[str, Any] | None:
        return None if self.sample is None else dict(json.loads(self.sample))


@command("tail")
@options.limit(20, "events at first")
@options.types
@click.option("--refused", is_flag=True, help="Print refused events and why they were refused.")
@click.option("--follow", "-f", is_flag=True, help="Keep printing new events as they are stored.")
@click.option("--with-email", is_flag=True, help="Print the e-mail addresses of events, too.")
@options.as_json
def tail(
    limit: int,
    types: tuple[str, ...],
    refused: bool,
    follow: bool,
    with_email: bool,
    as_json: bool,
) -> None:
    """Print the newest events, and with --follow new ones as well.

    Payloads are printed as they were stored. With --follow, JSON is one document per line.

    With --refused, print the events that were answered 422 instead. They are kept only if
    TCS_EVENTS_KEEP_REJECTED is set, and without e-mail addresses and long numbers in their texts.
    """
    newest: Newest[_Row] | Newest[_Refused]
    if refused:
        _demand_kept()
        newest = Newest(UserEventRejection, _Refused, _Refused._fields, types)
    else:
        options.check_types(types)
        newest = Newest(UserEvent, _Row, _Row._fields, types)
    events = newest.first(limit)
    if as_json and not follow:
        print_json({"rows": [event.document(with_email) for event in events]})
        return
    try:
        while True:
            for event in events:
                if as_json:
                    print_json(event.document(with_email), is_line=True)
                else:
                    print_line(event.line(with_email))
            if not follow:
                return
            time.sleep(POLL_SECONDS)
            events = newest.more()
    except KeyboardInterrupt:
        return  # Ctrl+C is the usual way to stop it


def _demand_kept() -> None:
    """Refuse to follow what is never there.

    Raises:
        click.UsageError: refused events are not kept.
    """
    if not registration_of(current_app).settings.keep_rejected:
        raise click.UsageError(
            "Refused events are not kept: TCS_EVENTS_KEEP_REJECTED is 0. Set it to the number of"
            " refused events to keep, and make their table with `db.create_all()` or a migration."
        )


def _written(at: datetime) -> str:
    zone = registration_of(current_app).settings.timezone
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
