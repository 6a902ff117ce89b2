"""Ids are what hosts have: numbers, UUIDs, texts, with a NULL among them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from tcs_events import create_blueprint, reports
from tcs_events.dashboard import create_dashboard
from tests.conftest import MakeHost
from tests.support import post

ADA, BO = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
COLUMNS: dict[str, tuple[Any, list[Any], list[str]]] = {
    "texts": (sa.String(20), ["ada", "bo", None, ""], ["ada", "bo"]),
    "texts of a fixed width": (sa.CHAR(20), ["ada", "bo"], ["ada", "bo"]),
    "numbers": (sa.Integer(), [7, 8, None], ["7", "8"]),
    "large numbers": (sa.BigInteger(), [2**53 - 1, 8], [str(2**53 - 1), "8"]),
    "decimals": (sa.Numeric(10, 2), [Decimal(7), Decimal("8.5"), None], ["7", "8.5"]),
    "floats": (sa.Float(), [7.0, 8.5], ["7", "8.5"]),
    "UUIDs": (sa.Uuid(), [ADA, BO, None], [str(ADA), str(BO)]),
}
SENT: dict[str, list[Any]] = {
    "ada": ["ada", " ada"],
    "7": [7, "7", 7.0],
    str(2**53 - 1): [2**53 - 1, str(2**53 - 1)],
    str(ADA): [str(ADA)],
}
"""What a browser may send for the first id of each catalogue."""


class Host:
    """A host with a catalogue, whose first expert every event is about."""

    def __init__(self, make_host: MakeHost, url: str, kind: str) -> None:
        column_type, values, self.ids = COLUMNS[kind]
        db = SQLAlchemy()
        self.table = sa.Table(
            "expert",
            db.metadata,
            sa.Column("row", sa.Integer(), primary_key=True),
            sa.Column("id", column_type),
        )
        self.app: Flask = make_host(
            url,
            create_blueprint(event_types=["sage_query", "card_click", "card_impression"]),
            db=db,
        )
        self.app.register_blueprint(
            create_dashboard(lambda: True, catalogue=sa.select(self.table.c.id))
        )
        with self.app.app_context():
            for value in values:
                db.session.execute(self.table.insert().values(id=value))
            db.session.commit()
        self.values = values

    def told(self) -> list[Callable[[], dict[str, Any]]]:
        """Return the ways to ask who is seen, each with this catalogue."""
        period = reports.last_days(2)
        return [
            lambda: plain(reports.exposure(period, sa.select(self.table.c.id))),
            lambda: plain(reports.exposure(period, self.values)),
            lambda: plain(reports.exposure(period, iter(self.values))),
            lambda: self.page()["answer"]["exposure"],
            lambda: self.command("--catalogue", "expert.id"),
        ]

    def page(self) -> dict[str, Any]:
        client = self.app.test_client()
        for page in ("", "exposure"):
            answer = client.get(f"/insights/{page}")
            assert answer.status_code == 200
            assert self.ids[0] in answer.text or not page
        found: dict[str, Any] = client.get("/insights/api/exposure.json").json
        return found

    def command(self, *options: str) -> dict[str, Any]:
        done = self.app.test_cli_runner().invoke(
            args=["tcs-events", "exposure", "--json", *options]
        )
        assert done.exit_code == 0, done.output
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def plain(found: reports.Exposure) -> dict[str, Any]:
    experts = [
        {"expert_id": one.expert_id, "exposed": one.exposed, "clicked": one.clicked}
        for one in found.experts
    ]
    return {"experts": experts, "coverage": found.coverage}


def ids(found: dict[str, Any], at_least: int = 0) -> list[str]:
    return sorted(one["expert_id"] for one in found["experts"] if one["exposed"] >= at_least)


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_catalogue_of_any_ids_covers_what_events_name(
    make_host: MakeHost, database_url: str, kind: str, tmp_path: Path
) -> None:
    host = Host(make_host, database_url, kind)
    with host.app.app_context():
        for number, value in enumerate(SENT[host.ids[0]]):
            for event in (
                {"event_type": "sage_query", "payload": {"query_text": "x", "expert_ids": [value]}},
                {"event_type": "card_impression", "payload": {"expert_id": value}},
                {"event_type": "card_click", "payload": {"expert_id": value}},
            ):
                answer = post(host.app, session_id=f"visitor-{number}", **event)
                assert answer.status_code == 202
        for tell in host.told():
            found = tell()
            assert ids(found) == sorted(host.ids)
            assert ids(found, at_least=1) == [host.ids[0]]
            assert found["coverage"] == 0.5
            first = next(one for one in found["experts"] if one["exposed"])
            assert first["exposed"] == first["clicked"] == len(SENT[host.ids[0]])
        file = tmp_path / "ids.txt"
        file.write_text("\n".join(["", *host.ids, "  "]))
        assert ids(host.command("--catalogue-file", str(file))) == sorted(host.ids)
        assert [row.expert_id for row in reports.top_experts(reports.last_days(2))] == [host.ids[0]]


@pytest.mark.parametrize("value", [None, True, False, [], ["ada"], {}, {"id": "ada"}, "", " "])
def test_what_is_no_id_is_nobody(make_host: MakeHost, database_url: str, value: object) -> None:
    app = make_host(database_url)
    with app.app_context():
        post(app, payload={"expert_id": value})
        post(app, event_type="sage_query", payload={"query_text": "x", "expert_ids": [value]})
        period = reports.last_days(2)
        assert reports.exposure(period).experts == []
        assert reports.top_experts(period) == []
        assert reports.exposure(period, [value]) == reports.Exposure([], None, None)


@pytest.mark.parametrize("mixed", [[7, "7", 7.0, Decimal(7), None, True], (7, "ada"), {7, None}])
def test_ids_of_several_types_in_one_catalogue(
    make_host: MakeHost, sqlite_url: str, mixed: Iterable[object]
) -> None:
    app = make_host(sqlite_url)
    with app.app_context():
        post(app, payload={"expert_id": 7})
        found = reports.exposure(reports.last_days(2), mixed)
        assert [one.expert_id for one in found.experts if one.exposed] == ["7"]


def test_a_query_for_whole_rows_is_no_catalogue(make_host: MakeHost, sqlite_url: str) -> None:
    host = Host(make_host, sqlite_url, "numbers")
    with host.app.app_context(), pytest.raises(ValueError, match=r"select\(Room.id\)"):
        reports.exposure(reports.last_days(2), sa.select(host.table))


@pytest.mark.parametrize("value", [7, "7"])
@pytest.mark.parametrize("condition", ["expert_id=7", 'expert_id="7"'])
def test_a_step_names_an_expert_as_a_catalogue_does(
    make_host: MakeHost, sqlite_url: str, condition: str, value: object
) -> None:
    app = make_host(sqlite_url)
    with app.app_context():
        post(app, payload={"expert_id": value})
        post(app, session_id="other", payload={"expert_id": 8})
        step = reports.step(f"card_click[{condition}]")
        assert [row.sessions for row in reports.funnel(reports.last_days(2), [step])] == [1]
        step = reports.step(f"card_click[{condition.replace('=', '!=')}]")
        assert [row.sessions for row in reports.funnel(reports.last_days(2), [step])] == [1]
