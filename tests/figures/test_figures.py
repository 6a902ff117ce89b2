"""The command makes the table: what was measured, what was not, what went wrong."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -e '.[test]'")
pytest.importorskip("psycopg", reason="needs psycopg: pip install -e '.[test]'")
pytest.importorskip("limits", reason="needs limits: pip install -e '.[test]'")

import sys
from pathlib import Path

from tests.figures import __main__ as command
from tests.figures import results
from tests.figures.figure import Figure, Row
from tests.figures.figures import FIGURES

GOOD = Row("SQLite", "0 of 7", met=True, control="ids left out: 3", control_failed=True)
MISSED = Row("SQLite", "1 of 7", met=False, control="ids left out: 3", control_failed=True)
BLIND = Row("SQLite", "0 of 7", met=True, control="ids left out: 0", control_failed=False)


def figure(number: str, *rows: Row) -> Figure:
    return Figure(number, "lost", "0", "kills", full=7, quick=1, run=lambda n: list(rows))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "results.json"
    for function in (results.load, results.save):
        monkeypatch.setattr(function, "__defaults__", (file,))
    return file


def run(monkeypatch: pytest.MonkeyPatch, figures: list[Figure], *arguments: str) -> int:
    monkeypatch.setattr(command, "FIGURES", figures)
    monkeypatch.setattr(command, "BY_NUMBER", {each.number: each for each in figures})
    monkeypatch.setattr(sys, "argv", ["figures", *arguments])
    return command.main()


def test_every_figure_is_listed_once_and_has_an_n_where_it_can_be_measured() -> None:
    numbers = [each.number for each in FIGURES]
    assert numbers == [*(f"F{n}" for n in range(1, 16)), "bots"]
    assert all(each.full > each.quick > 0 and each.unit for each in FIGURES if each.run)


def test_a_figure_that_cannot_be_measured_yet_is_named_and_not_made_up(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = Figure("F2", "early", "0")
    assert run(monkeypatch, [figure("F1", GOOD), missing]) == 0
    table = capsys.readouterr().out
    assert "SQLite: 0 of 7 " in table
    assert "| F2 | early | 0      | not there yet" in table
    assert list(results.load(file)) == ["F1"]


def test_figures_measured_on_different_occasions_are_one_table(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [figure("F1", GOOD), figure("F2", GOOD, GOOD)]
    run(monkeypatch, both, "F2")
    run(monkeypatch, both, "F1=3")
    capsys.readouterr()
    assert run(monkeypatch, both, "--table") == 0
    assert capsys.readouterr().out.count("0 of 7") == 3
    assert {number: kept.n for number, kept in results.load(file).items()} == {"F1": 3, "F2": 7}


@pytest.mark.parametrize(("row", "said"), [(MISSED, "target missed"), (BLIND, "did not fail")])
def test_a_missed_target_and_a_blind_control_are_said_and_are_the_exit_code(
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    row: Row,
    said: str,
) -> None:
    assert run(monkeypatch, [figure("F1", row)]) == 1
    assert said in capsys.readouterr().out


def test_a_quick_run_is_not_kept(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, [figure("F1", GOOD)], "--quick") == 0
    assert not file.exists()


def test_what_is_kept_in_the_repository_can_be_printed() -> None:
    assert results.markdown(FIGURES, results.load()).count("\n") >= len(FIGURES)
