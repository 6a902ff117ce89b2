"""Says which columns of a file hold which fields of an event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

FIELDS = ("event_type", "session_id", "created_at", "event_id", "email", "payload")
"""The fields of an event that a column may hold."""
NEEDED = ("event_type", "session_id", "created_at")
"""Those that every event has."""


@dataclass(frozen=True, slots=True)
class FileMapping:
    """What the columns of a file are."""

    source: str = "file"
    """What wrote the file, which is part of the ids that are made for its rows."""
    columns: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {name: (name,) for name in FIELDS}
    )
    """The columns of each field. The first that has a value counts."""
    payload: Sequence[str] | None = None
    """The columns, or the keys of the payload column, that go into the payload. None takes all that
    are not a field."""
    left_out: Sequence[str] = ()
    """What never goes into the payload unless `payload` names it. "$*" means all that begin so."""
    event_type: str | None = None
    """The type of all rows. None if a column says it."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """The types that are stored under another name, by the name in the file."""
    makes_names: bool = False
    """Whether names that no event type can have are changed: "Sign Up!" becomes "sign_up"."""

    def with_columns(self, columns: Mapping[str, str]) -> FileMapping:
        """Return the mapping with other columns for some fields."""
        return replace(self, columns={**self.columns, **{k: (v,) for k, v in columns.items()}})


PRESETS: dict[str, FileMapping] = {
    # The events of a batch export, and of a file download:
    # https://posthog.com/docs/data-pipelines/batch-exports/s3
    # PostHog's own properties begin with "$". They hold the IP address, and what is known of the
    # device and the person, so they are left out.
    "posthog": FileMapping(
        source="posthog",
        columns={
            "event_type": ("event",),
            "session_id": ("distinct_id",),
            "created_at": ("timestamp",),
            "event_id": ("uuid",),
            "email": (),
            "payload": ("properties",),
        },
        left_out=("$*", "token", "distinct_id"),
        makes_names=True,
    ),
    # The table ahoy_events, joined with ahoy_visits for the token of the visitor:
    # https://github.com/ankane/ahoy
    "ahoy": FileMapping(
        source="ahoy",
        columns={
            "event_type": ("name",),
            "session_id": ("visitor_token", "visit_token", "visit_id"),
            "created_at": ("time",),
            "event_id": ("id",),
            "email": ("email",),
            "payload": ("properties",),
        },
        makes_names=True,
    ),
}
"""The files of other tools."""
