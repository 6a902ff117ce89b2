"""F13: workers are replaced under load."""

from __future__ import annotations

from tests.faults.databases import folder
from tests.faults.deploys import KINDS, deploy_repeatedly
from tests.faults.progress import Progress
from tests.faults.report import Report
from tests.figures.figure import Row

WAYS = ["hup", "term_each_worker"]
CONTROL_DEPLOYS = 3


def _deploy(rounds: int, progress: Progress, kind: str, way: str, face: str = "view") -> Report:
    with folder() as home:
        return deploy_repeatedly(
            f"sqlite:///{home}/host.db",
            home,
            rounds=rounds,
            kind=kind,
            way=way,
            face=face,
            after_round=lambda done: progress.round_done(kind=kind, way=way, face=face),
        )


def lost_and_errors(restarts: int) -> list[Row]:
    each = -(-restarts // (len(KINDS) * len(WAYS)))
    progress = Progress(each * len(KINDS) * len(WAYS) + CONTROL_DEPLOYS)
    reports = {kind: [_deploy(each, progress, kind, way) for way in WAYS] for kind in KINDS}
    control = _deploy(CONTROL_DEPLOYS, progress, "gunicorn-gthread", "hup", "answers_first")
    lost = len(control.balance.missing)
    rows = []
    for kind, both in reports.items():
        answers = [answer for report in both for answer in report.answers]
        errors = sum(answer.status >= 500 for answer in answers)
        closed = sum(answer.status == 0 for answer in answers)
        acknowledged = sum(report.balance.acknowledged for report in both)
        missing = sum(len(report.balance.missing) for report in both)
        broken = any(report.balance.violations or report.balance.unknown for report in both)
        rows.append(
            Row(
                kind.replace("-", " "),
                f"{missing} lost of {acknowledged:,} acknowledged; {errors} times 5xx of"
                f" {len(answers):,} answers; {2 * each} restarts (HUP and TERM), {closed}"
                " connections closed without an answer",
                not broken and not errors,
                f"answers before it commits: {lost} lost",
                lost > 0,
            )
        )
    return rows
