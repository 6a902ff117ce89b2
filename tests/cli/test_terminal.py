"""What visitors have typed does nothing to the terminal of whoever reads it."""

from __future__ import annotations

import json
import unicodedata

import pytest
from flask import Flask

from tcs_events.cli.output import bar, sparkline
from tcs_events.cli.text_table import TextTable
from tcs_events.cli.visible import columns_of, cut, cut_middle, visible
from tests.cli.asking import MARCH, change, click, lines, query, run, save

EVIL = "\x1b]0;owned\x07\x1b[31m\r\n\x9b2J\u202edrow\u200b\x00"[:-1]
COMMANDS = {
    "stats": [*MARCH],
    "visitors": [*MARCH],
    "types": [*MARCH],
    "top": [*MARCH],
    "gaps": ["--min-sessions", "1", *MARCH],
    "dead-ends": [*MARCH],
    "exposure": ["--min-sessions", "1", *MARCH],
    "funnel": ["card_click", "card_click[context=\x1b[31m]".replace("[31m", "31m"), *MARCH],
    "explore": ["card_click", "--by", "context", "--interval", "week", *MARCH],
    "paths": ["sage_query", *MARCH],
    "retention": [*MARCH],
    "timeline": ["--email", "eve@example.com"],
    "live": [],
    "tail": ["--with-email"],
}


@pytest.fixture
def host(sqlite_host: Flask) -> Flask:
    """A host whose visitors have sent escape sequences wherever there is text."""
    save(
        sqlite_host,
        *(query(EVIL, f"visitor-{number}", EVIL) for number in range(3)),
        query(EVIL + "!", "visitor-1"),
        click(EVIL, EVIL, email="eve@example.com"),
        click(event_type="evil" + EVIL, payload={EVIL: EVIL}, email="eve@example.com"),
        change(EVIL, EVIL, 0),
        click(payload={"expert_id": "ada", "context": EVIL}),
    )
    return sqlite_host


@pytest.mark.parametrize("command", COMMANDS)
def test_no_control_character_reaches_the_terminal(host: Flask, command: str) -> None:
    result = run(host, command, *COMMANDS[command])
    assert result.exit_code == 0
    assert [char for char in result.output if not char.isprintable() and char != "\n"] == []


@pytest.mark.parametrize("command", ["top", "gaps", "dead-ends", "timeline", "tail", "exposure"])
def test_what_would_be_obeyed_is_written_out(host: Flask, command: str) -> None:
    shown = run(host, command, *COMMANDS[command]).stdout
    assert "\\x1b]0;owned\\x07" in shown or "\\u001b]0;owned\\u0007" in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_json_holds_no_control_character_and_no_letter_beyond_ascii(
    host: Flask, command: str
) -> None:
    result = run(host, command, *COMMANDS[command], "--json")
    assert result.stdout.isascii()
    assert [char for char in result.stdout if not char.isprintable() and char != "\n"] == []
    json.loads(result.stdout)


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "tail"])
@pytest.mark.parametrize("columns", [40, 60, 100])
def test_a_table_keeps_to_the_width_of_the_terminal(
    host: Flask, command: str, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for line in lines(host, command, *COMMANDS[command]):
        assert columns_of(line) <= columns


def test_a_table_that_goes_into_a_pipe_is_not_cut(sqlite_host: Flask) -> None:
    save(sqlite_host, *(query("x" * 190, f"visitor-{number}") for number in range(3)))
    assert "x" * 190 in run(sqlite_host, "gaps", *MARCH).stdout


def test_numbers_stay_whole_where_text_is_cut(
    sqlite_host: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    save(sqlite_host, *(query("long " * 30, f"visitor-{number}") for number in range(3)))
    assert lines(sqlite_host, "top", "queries", *MARCH)[2:] == [
        "query         asks  visits  as typed",
        "long l… long     3       3  long long l…",
    ]


def test_wide_letters_are_counted_as_two_columns(sqlite_host: Flask) -> None:
    save(sqlite_host, query("データ", "visitor-1"), query("data", "visitor-1"))
    shown = lines(sqlite_host, "top", "queries", *MARCH)[3:]
    assert [columns_of(line[: line.index("1")]) for line in shown] == [
        len("データ") * 2 + len("  ask")
    ] * 2


def test_a_cut_text_is_never_wider_than_there_is_room() -> None:
    for text in ("データサイエンティスト", "e\u0301" * 9, "plain text", "🦜🦜🦜"):
        for columns in range(12):
            assert columns_of(cut(text, columns)) <= columns, (text, columns)
            assert columns_of(cut_middle(text, columns)) <= columns, (text, columns)


def test_labels_that_begin_alike_are_told_apart_by_their_ends(
    sqlite_host: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    steps = [f"room_opened_from_the_front_page[source={name}]" for name in ("list", "grid")]
    save(sqlite_host, click(event_type="room_opened_from_the_front_page"))
    labels = [line.split("  ")[0] for line in lines(sqlite_host, "funnel", *steps, *MARCH)[-2:]]
    assert [label[:4] + label[-6:] for label in labels] == ["room=list]", "room=grid]"]
    assert all("…" in label for label in labels)


def test_bars_give_way_to_whole_labels() -> None:
    label = "sage_query → card_click → sage_query → (end of the visit)"
    for width in (80, 120):
        table = TextTable(("path", "visits", ""), [(label, "1", "█" * 20)], (False, True, False))
        [line] = table.lines(width)[1]
        assert line.startswith(label)
        assert ("█" in line) == (width == 120)


def test_everything_visible_is_left_as_it_is() -> None:
    assert visible("Zoë 日本 🦜 a\u0301") == "Zoë 日本 🦜 a\u0301"


def test_everything_invisible_is_written_out() -> None:
    for code in range(0x110000):
        char = chr(code)
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            assert visible(f"a{char}b").isascii(), hex(code)


def test_a_terminal_of_another_encoding_gets_what_it_can_show(sqlite_host: Flask) -> None:
    save(sqlite_host, query("Zoë 日本", "visitor-1"))
    runner = sqlite_host.test_cli_runner(charset="latin-1")
    result = runner.invoke(args=["tcs-events", "top", "queries", *MARCH])
    assert result.exit_code == 0
    assert "zoë ??" in result.stdout_bytes.decode("latin-1")


@pytest.mark.parametrize(
    ("value", "drawn"),
    [(0, ""), (1, "▏"), (500, "█" * 10), (525, "█" * 10 + "▌"), (1000, "█" * 20)],
)
def test_a_bar_is_as_long_as_its_value(value: int, drawn: str) -> None:
    assert bar(value, 1000) == drawn


def test_a_sparkline_has_a_character_per_value() -> None:
    assert sparkline([0, 1, 4, 8]) == "·▁▄█"
    assert sparkline([0, 0]) == "··"
    assert sparkline([]) == ""
