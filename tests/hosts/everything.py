"""All that a host can have us do, one thing after the other."""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from tests.support import URL, card_click, post, wait_until

BAD = {"session_id": "visitor-1", "event_type": "nothing we know"}
"""An event that is refused."""


def use_everything(app: Flask, folder: Path) -> None:
    """Store, keep, identify, ask, count, export and delete."""
    client = app.test_client()
    post(client, session_id="gone", email="ada@example.com")
    for _ in range(2):  # by INSERT, and then by COPY
        events = [card_click(session_id=f"visitor-{n}") for n in range(20)]
        assert client.post(f"{URL}/batch", json={"events": events}).json["accepted"] == 20
    again = card_click(event_id="0199c6a4-0000-7000-8000-000000000001")
    for _ in range(2):
        assert post(client, **again).status_code == 202
    assert client.post(URL, json=BAD).status_code == 422
    identity = {"session_id": "visitor-1", "email": "bob@example.com"}
    assert client.post(f"{URL}/identify", json=identity).status_code == 202
    wait_until(lambda: client.get(f"{URL}/health").json["problems"] == [])  # in time, in the end
    for command in (
        ["rollup"],
        ["gaps"],
        ["retention"],
        ["rejected"],
        ["export", str(folder / "events.csv")],
        ["export-subject", "--email", "bob@example.com"],
        ["doctor"],
        ["prune", "--older-than", "5d"],
        ["forget", "--email", "ada@example.com", "--yes"],
        ["rollup"],
    ):
        result = app.test_cli_runner().invoke(args=["tcs-events", *command])
        assert result.exit_code == 0, (command, result.output)
    (folder / "events.csv").unlink()
