"""The commands of `flask tcs-events`, one file per group."""

from __future__ import annotations

from flask import Blueprint

from tcs_events.cli.activity import count_visitors, stats
from tcs_events.cli.counting import rollup, worker
from tcs_events.cli.day_files import day_files
from tcs_events.cli.demand import dead_ends, gaps, top
from tcs_events.cli.digest import digest
from tcs_events.cli.doctor import doctor
from tcs_events.cli.explore import explore
from tcs_events.cli.exporting import export
from tcs_events.cli.exposure import exposure
from tcs_events.cli.funnel import funnel, funnels
from tcs_events.cli.importing import import_events
from tcs_events.cli.live import live
from tcs_events.cli.outcomes import outcomes
from tcs_events.cli.paths import paths
from tcs_events.cli.pruning import prune
from tcs_events.cli.rejected import rejected, replay
from tcs_events.cli.retention import retention
from tcs_events.cli.subjects import export_subject, forget
from tcs_events.cli.tail import tail
from tcs_events.cli.timeline import timeline
from tcs_events.cli.types import types
from tcs_events.cli.views import views

COMMANDS = (
    stats,
    count_visitors,
    types,
    top,
    gaps,
    dead_ends,
    exposure,
    explore,
    funnel,
    paths,
    funnels,
    retention,
    timeline,
    digest,
    live,
    tail,
    export,
    import_events,
    views,
    prune,
    forget,
    export_subject,
    rollup,
    worker,
    day_files,
    rejected,
    replay,
    outcomes,
    doctor,
)


def add_commands(blueprint: Blueprint) -> None:
    """Add all commands to the blueprint."""
    blueprint.cli.help = "Manage the events that tcs_events stores, and ask questions about them."
    for command in COMMANDS:
        blueprint.cli.add_command(command)
