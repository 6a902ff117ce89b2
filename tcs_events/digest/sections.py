"""The tables of a digest, which the text and the HTML show alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tcs_events.digest.contents import Change, Digest
from tcs_events.export.json_text import json_text

Cells = tuple[str, ...]
SURE = " *"
"""Stands after a change that chance does not explain."""


@dataclass(frozen=True, slots=True)
class Section:
    """A table: the first column is a text, and the others are numbers."""

    title: str
    heads: Cells
    rows: list[Cells]
    note: str = ""


def title_of(digest: Digest) -> str:
    """Return the title of a digest."""
    return f"What happened from {digest.period.first} to {digest.period.last}"


def subtitle_of(digest: Digest) -> str:
    """Return what the digest compares with, and the time zone of its days."""
    compared = (
        f"Compared with {digest.before.first} to {digest.before.last}."
        if digest.before
        else "There are no events of the whole period before to compare with."
    )
    return f"{compared} Days are in {digest.timezone}."


def sections_of(digest: Digest) -> Iterator[Section]:
    """Give the sections that have something to say."""
    then = ("before",) if digest.before else ()
    change = ("before", "change") if digest.before else ()
    if not digest.counts:
        yield Section("No events", (), [], "Nothing was stored of this period.")
        return
    yield Section(
        "Counts",
        ("", "now", *change),
        [_changes(each) for each in digest.counts],
        "A visit is a visitor's day."
        + (" * is more than chance explains." if digest.before else ""),
    )
    if digest.before:
        yield Section(
            "Event types that changed",
            ("visits with", "now", *change),
            [_changes(each) for each in digest.changed],
            "" if digest.changed else "None by more than chance explains.",
        )
    if digest.wanted:
        yield Section(
            "Wanted and not found",
            ("query", "visits", "found nothing", "because of filters", *then),
            [
                (
                    each.query,
                    _number(each.visits),
                    _number(each.no_result),
                    _number(each.hidden_by_filter),
                    *((_number(each.no_result_before) or "new",) if then else ()),
                )
                for each in digest.wanted
            ],
            "Visits that asked it, and visits that were shown nothing.",
        )
    if digest.dead_ends:
        yield Section(
            "Filters that lead nowhere",
            ("filter", "visits", "left with nothing"),
            [
                (
                    f"{each.filter}: {json_text(each.value)}",
                    _number(each.sessions),
                    _number(each.dead),
                )
                for each in digest.dead_ends
            ],
        )


def _changes(change: Change) -> Cells:
    if change.before is None:
        return change.name, _number(change.now) or "0"
    return (
        change.name,
        _number(change.now) or "0",
        _number(change.before) or "0",
        _share(change) + (SURE if change.is_more_than_chance else ""),
    )


def _share(change: Change) -> str:
    if change.share is None:
        return "new" if change.now else ""
    percent = round(change.share * 100)
    return f"{percent:+,} %" if percent else "0 %"


def _number(number: int | None) -> str:
    """Return a number; "" for 0."""
    return f"{number:,}" if number else ""
