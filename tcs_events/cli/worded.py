"""Commands say the host's word for an item, in what they print and in their help."""

from __future__ import annotations

from inspect import cleandoc
from shlex import quote

import click
from flask import Flask, current_app
from flask.cli import ScriptInfo

from tcs_events.counts.meaning import meaning_of
from tcs_events.event_types.event_type import EventTypes
from tcs_events.event_types.marketplace import DEFAULT_EVENT_TYPES
from tcs_events.event_types.words import Words, words_of
from tcs_events.host import registration_of

_DEFAULT_TYPES = {event_type.name: event_type for event_type in DEFAULT_EVENT_TYPES}


def host_words(context: click.Context | None = None) -> Words:
    """Return the words of the current app, or of the app whose help is shown.

    Args:
        context: that of a shell completion, which has no current app.
    """
    return words_of(host_event_types(context))


def help_text(text: str) -> str:
    """Return a help text with the words of the host, and its default funnel for `{steps}`."""
    if "{steps}" in text:
        steps = meaning_of(host_event_types()).default_funnel
        lines = ["", *(f"        {quote(str(step))}" for step in steps)]
        text = text.replace("{steps}", "\\\n".join(f"{line} " for line in lines).rstrip())
    return host_words().in_text(text)


def host_event_types(context: click.Context | None = None) -> EventTypes:
    """Return the event types that the host accepts, from its settings.

    Without an app, as in the reference that is made from the commands, they are those that are
    accepted by default.
    """
    app = _app(context)
    return _DEFAULT_TYPES if app is None else registration_of(app).settings.event_types


def _app(context: click.Context | None) -> Flask | None:
    if current_app:
        return current_app
    # Flask pushes no context for the help of a command that is asked for with --help.
    context = context or click.get_current_context(silent=True)
    script = context.find_object(ScriptInfo) if context else None
    return script.load_app() if script else None


class _Worded:
    """An attribute of a command or its parameter that is read as a `help_text`."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}"

    def __get__(self, instance: object, owner: type) -> str | None:
        text: str | None = getattr(instance, self._name, None)
        return text and help_text(text)

    def __set__(self, instance: object, text: str | None) -> None:
        # Without the indentation of the docstring, so that lines can be put into it.
        setattr(instance, self._name, text and cleandoc(text))


class WordedCommand(click.Command):
    """A command whose help is a `help_text`."""

    help = _Worded()


class WordedOption(click.Option):
    """An option whose help is a `help_text`."""

    help = _Worded()


class WordedArgument(click.Argument):
    """An argument whose name in the usage is a `help_text`."""

    metavar = _Worded()
