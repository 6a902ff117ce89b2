"""The settings, each declared once in `Settings`. They are read when the blueprint registers."""

from __future__ import annotations

import difflib
import importlib.util
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tcs_events.errors import ConfigError
from tcs_events.event_types.event_type import NAME_MAX_LENGTH, EventTypes, declared
from tcs_events.event_types.marketplace import DEFAULT_EVENT_TYPES, MARKETPLACE
from tcs_events.time_zones import ZoneDataMissing, find_zone

if TYPE_CHECKING:
    from limits import RateLimitItem

PREFIX = "TCS_EVENTS_"
EVENT_TYPE_MAX_LENGTH = NAME_MAX_LENGTH
PLAIN_WORD = re.compile(rf"[A-Za-z0-9_.:-]{{1,{EVENT_TYPE_MAX_LENGTH}}}")
"""An event type that the log may name even if it is not declared: such a word can forge no line."""

# Browsers send an origin in lower case and without a path, so it can be compared as text:
# https://html.spec.whatwg.org/multipage/browsers.html#ascii-serialisation-of-an-origin
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?|https?://\[[0-9a-f:]+\](:[0-9]+)?")

_REDIS = ("redis://", "rediss://", "redis+unix://")
BOTS_STORE, BOTS_MARK, BOTS_DROP = "store", "mark", "drop"
MAX_REJECTED = 100_000
SYNCED = "synced"
LOST_ON_POWER_CUT = "lost_on_power_cut"
WRITE_AHEAD_LOG, HOSTS_JOURNAL = "wal", "host"
REFUSED, AS_BEST_THEY_CAN = "refused", "as_best_they_can"
BY_HAND = "by_hand"
_LOGIN_PATH = re.compile(r"(current_user|g)(\.[A-Za-z_][A-Za-z0-9_]*)+")
LOG_LEVELS = ("info", "debug", "off")

Access = Callable[[], Any]
"""A function of the host that returns True if the current request may see the counts."""

IdentifyUser = str | tuple[str, ...] | Callable[[], object] | None
"""`BY_HAND`, paths, or a function of the host that says who is logged in. None if nothing does."""

Reader = Callable[[object], Any]
"""Returns the value that we use, or raises `ValueError`. The error's text continues a sentence that
begins with the key: "must be True or False"."""


def _whole_number(least: int = 1, most: int | None = None, reason: str = "") -> Reader:
    """Read a whole number in bounds, which are inclusive. The reason explains the bounds."""
    highest = math.inf if most is None else most
    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
    if reason:
        bounds += f" ({reason})"

    def read(value: Any) -> int:
        # In Python True is an int. It must not pass as 1.
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if not (is_number and least <= value <= highest):
            raise ValueError(f"must be a whole number {bounds}, not {value!r}")
        return int(value)

    return read


def _choice(*words: str) -> Reader:
    """Read one of a few words."""
    *first, last = map(repr, words)

    def read(value: object) -> str:
        if value not in words:
            raise ValueError(f"must be {', '.join(first)} or {last}, not {value!r}")
        return str(value)

    return read


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be True or False, not {value!r}")
    return value


def _list(plural: str, example: str, is_allowed: Callable[[str], object], rule: str) -> Reader:
    """Read a list of texts. `rule` says in an error what a text that is not allowed should be."""

    def read(value: object) -> tuple[str, ...]:
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise ValueError(f"must be a list of {plural}, such as [{example!r}]")
        texts = tuple(value)
        for text in texts:
            if not (isinstance(text, str) and is_allowed(text)):
                raise ValueError(f"has {text!r}, which is not {rule}")
        return texts

    return read


def _none_or(what: str, is_allowed: Callable[[object], bool]) -> Reader:
    """Read None or an allowed value."""

    def read(value: object) -> Any:
        if value is not None and not is_allowed(value):
            raise ValueError(f"must be None or {what}, not {value!r}")
        return value

    return read


_positive = _whole_number()
_origins = _list(
    "origins",
    "https://shop.example",
    _ORIGIN.fullmatch,
    "an exact origin: scheme, host and optional port, in lower case, such as"
    " 'https://shop.example'",
)
_field_names = _list("names of payload fields", "query_text", bool, "the name of a field")


def _event_types(value: object) -> EventTypes:
    """Return the allowlist. Types that come without a schema allow any payload."""
    return declared(value, MARKETPLACE)


def _bots(value: object) -> str:
    word: str = _choice(BOTS_STORE, BOTS_MARK, BOTS_DROP)(value)
    if word != BOTS_STORE and importlib.util.find_spec("crawleruseragents") is None:
        raise ValueError(
            f"is {word!r}, which needs crawler-user-agents: pip install 'tcs-events[bots]'"
        )
    return word


def _day_files(value: object) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, str | PathLike) or not Path(value).is_absolute():
        raise ValueError(
            f"must be None or the absolute path of a folder, such as '/var/lib/shop/days', not"
            f" {value!r}"
        )
    if any(importlib.util.find_spec(package) is None for package in ("duckdb", "pyarrow")):
        raise ValueError("needs duckdb and pyarrow: pip install 'tcs-events[explore]'")
    if importlib.util.find_spec("fcntl") is None:
        raise ValueError("must be None on Windows, where the files cannot be locked")
    return Path(value)


def _identify_user(value: object) -> IdentifyUser:
    if value is None or value == BY_HAND or callable(value):
        return value
    paths = (value,) if isinstance(value, str) else value
    if not isinstance(paths, list | tuple) or not all(
        isinstance(path, str) and _LOGIN_PATH.fullmatch(path) for path in paths or [None]
    ):
        raise ValueError(
            "must be a path such as 'current_user.id' or 'g.user.email', a list of them, a function"
            f" without arguments, {BY_HAND!r} or None, not {value!r}"
        )
    needs_login = any(path.startswith("current_user") for path in paths)
    if needs_login and importlib.util.find_spec("flask_login") is None:
        raise ValueError(
            f"is {value!r}, which needs Flask-Login: pip install flask-login, or give a function"
            " that returns the id or the e-mail address of the logged-in user"
        )
    return tuple(paths)


def _timezone(value: object) -> ZoneInfo:
    if isinstance(value, ZoneInfo):
        return value
    try:
        return find_zone(value)  # type: ignore[arg-type]
    except ZoneDataMissing as error:
        raise ValueError(str(error)) from None
    except (ZoneInfoNotFoundError, TypeError, ValueError, OSError):
        raise ValueError(f"must be a time zone such as 'Europe/Berlin', not {value!r}") from None


def _limit(value: object) -> RateLimitItem | None:
    if value is None:
        return None
    try:
        from limits import parse_many
    except ImportError:
        raise ValueError("needs limits: pip install 'tcs-events[limits]'") from None
    try:
        # If there are several limits, the unpacking raises a ValueError as well.
        [limit] = parse_many(value)  # type: ignore[arg-type]
    except ValueError:
        raise ValueError(f"must be a limit such as '600/minute' or None, not {value!r}") from None
    if limit.amount < 1:
        raise ValueError(f"must allow at least one event, not {value!r}")
    return limit


def _limit_storage(value: object) -> str:
    """Return the URL. No message shows it, because it may hold the password of Redis."""
    if value == "memory://":
        return str(value)
    if not isinstance(value, str) or not value.startswith(_REDIS):
        raise ValueError(f"must be 'memory://', or begin with one of: {', '.join(_REDIS)}")
    try:
        from redis import ConnectionPool
    except ImportError:
        raise ValueError("needs redis: pip install 'tcs-events[redis]'") from None
    try:
        # limits writes redis+unix:// where redis-py writes unix://.
        ConnectionPool.from_url(value.replace("redis+unix", "unix", 1))
    except ValueError:
        raise ValueError("is not a Redis URL, such as 'redis://127.0.0.1:6379/0'") from None
    return value


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting."""

    option: str
    default: object
    read: Reader
    help: str

    @property
    def key(self) -> str:
        """The name in `app.config`."""
        return PREFIX + self.option.upper()


def _setting(default: object, read: Reader, text: str) -> Any:
    """Declare a setting: a field of `Settings`, and what `Setting` knows about it."""
    return field(metadata={"default": default, "read": read, "help": text})


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one app. `SETTINGS` lists their names, defaults and help."""

    event_types: EventTypes = _setting(
        tuple(event_type.name for event_type in DEFAULT_EVENT_TYPES),
        _event_types,
        "The event types that are accepted: a list of `EventType` or names, or a dict from name to"
        " the marshmallow schema class of its payload. `None` is for a free-form payload.",
    )
    max_body_bytes: int = _setting(
        64 * 1024,
        _positive,
        "The longest request body, in bytes. A longer one is answered 413. Browsers allow 64 KiB"
        " for all requests together that outlive a page. While it is read, a body takes up to 50"
        " times its size in memory.",
    )
    bind_key: str | None = _setting(
        None,
        _none_or("a key of SQLALCHEMY_BINDS", lambda value: isinstance(value, str)),
        "The key of `SQLALCHEMY_BINDS` whose database stores the events. `None` is the default"
        " database.",
    )
    schema: str | None = _setting(
        None,
        _none_or("the name of a schema", lambda value: isinstance(value, str) and value != ""),
        "The database schema that holds the tables. `None` is the one of your own tables: that of"
        " `MetaData(schema=...)`, else the default. On SQLite, `None` is always the file itself.",
    )
    max_batch_events: int = _setting(
        50,
        _positive,
        "The most events of one batch. A larger batch is answered 422, and nothing of it is"
        " stored.",
    )
    durability: str = _setting(
        SYNCED,
        _choice(SYNCED, LOST_ON_POWER_CUT),
        'What 202 promises. `"synced"`: the event is on the disk. `"lost_on_power_cut"`: the event'
        " survives the process, but a power cut may take the last events.",
    )
    sqlite_journal: str = _setting(
        WRITE_AHEAD_LOG,
        _choice(WRITE_AHEAD_LOG, HOSTS_JOURNAL),
        'The journal of an SQLite file. `"wal"`: the file is switched to the write-ahead log,'
        ' unless the app sets another journal itself. `"host"`: the journal stays as it is, and'
        " readers and events wait for each other. With both, events survive a power cut.",
    )
    other_databases: str = _setting(
        REFUSED,
        _choice(REFUSED, AS_BEST_THEY_CAN),
        "What happens with a database or driver that is not in the list of those supported."
        ' `"refused"`: the app does not start. `"as_best_they_can"`: events are stored one by one,'
        " on connections of your pool, and nothing is promised about a 202.",
    )
    timeout_ms: int = _setting(
        1500,
        _whole_number(100, 1800, "answers come within two seconds"),
        "How long the database may take to store an event, in milliseconds, before 503 is"
        " answered.",
    )
    queue_max_events: int = _setting(
        10_000,
        _positive,
        "How many events of one process may wait for the database. Beyond that, events are answered"
        " 503.",
    )
    queue_max_bytes: int = _setting(
        8 * 1024 * 1024,
        _positive,
        "How many bytes of request bodies of one process may wait for the database. Beyond that,"
        " events are answered 503.",
    )
    cors_origins: tuple[str, ...] = _setting(
        (),
        _origins,
        "The origins of other sites whose pages may send events and read the answers, such as"
        ' `["https://shop.example"]`.',
    )
    client_limit: RateLimitItem | None = _setting(
        None,
        _limit,
        'How many events one client address may send, such as `"600/minute"`. Of IPv6, a /64 counts'
        " as one address. Beyond that, events are answered 429. Needs `tcs-events[limits]`.",
    )
    session_limit: RateLimitItem | None = _setting(
        None,
        _limit,
        'How many events one session may send, such as `"120/minute"`. Beyond that, events are'
        " answered 429. Needs `tcs-events[limits]`.",
    )
    limit_storage: str = _setting(
        "memory://",
        _limit_storage,
        "Where the events of both limits are counted. With `memory://` each process counts for"
        " itself. With `redis://host:6379/0` all processes count together; this needs"
        " `tcs-events[redis]` and `app.secret_key`.",
    )
    respect_gpc: bool = _setting(
        True,
        _flag,
        "Whether to store nothing of a browser that sends Global Privacy Control (`Sec-GPC: 1`)."
        " The tracker does not send anything from such a browser.",
    )
    respect_dnt: bool = _setting(
        False,
        _flag,
        "The same for Do Not Track (`DNT: 1`), which browsers are giving up.",
    )
    bots: str = _setting(
        BOTS_STORE,
        _bots,
        'What happens to the events of crawlers. `"store"`: they are not recognised, and stored.'
        ' `"mark"`: they are stored, and reports leave their sessions out. `"drop"`: they are not'
        ' stored. `"mark"` and `"drop"` need `tcs-events[bots]`.',
    )
    keep_rejected: int = _setting(
        0,
        _whole_number(0, MAX_REJECTED),
        "How many of the newest events that were answered 422 are kept for `flask tcs-events"
        " replay`. 0 keeps none.",
    )
    accepted_log_level: str = _setting(
        "info",
        _choice(*LOG_LEVELS),
        'The level of the log line for each stored event: `"info"` or `"debug"`. `"off"` writes no'
        " line.",
    )
    timezone: ZoneInfo = _setting(
        "UTC",
        _timezone,
        "The time zone of the days, hours and weeks in reports. If you change it, everything is"
        " counted again. Any zone but UTC needs time zone data, from the system or from"
        " `pip install tzdata`.",
    )
    min_sessions: int = _setting(
        3,
        _positive,
        "How many visits it takes until a query is listed as unmet demand, and until an item is"
        " judged by clicks. Fewer visits say too little, and a rare query may be personal.",
    )
    scrub_fields: tuple[str, ...] = _setting(
        (),
        _field_names,
        "The payload fields, at any depth, whose text is scrubbed before it is stored, such as"
        ' `["query_text"]`. E-mail addresses become `[email]`, and numbers of 7 digits or more'
        " `[number]`.",
    )
    report_timeout_ms: int = _setting(
        10_000,
        _whole_number(100, 600_000, "at most ten minutes"),
        "How long a question may take, in milliseconds. All questions of one page of the dashboard"
        " share this time, and so does the counting that the page waits for. PostgreSQL and SQLite"
        " stop at any moment; any other database stops between two rows, not before the first one."
        " Commands, the worker and exports have no limit for counting and writing.",
    )
    day_files: Path | None = _setting(
        None,
        _day_files,
        "The absolute path of a folder in which closed days are kept as Parquet files, so that"
        " `explore` is fast in large tables. `flask tcs-events worker` or `day-files` writes them."
        " They hold the payloads of your visitors' events. Each database needs a folder of its own."
        " Needs `tcs-events[explore]`. `None` keeps no files.",
    )
    identify_user: IdentifyUser = _setting(
        None,
        _identify_user,
        "Who is logged in, to link the sessions of visitors to your users: a path such as"
        ' `"current_user.id"` (Flask-Login) or `"g.user.email"`, a list of an id and an address, or'
        " a function without arguments that returns one or both, or `None`. It is asked when an"
        " event was stored."
        ' `"by_hand"`: only your calls of `identify` link sessions to user ids.',
    )
    health_access: Access | None = _setting(
        None,
        _none_or("a function without arguments that returns True or False", callable),
        "A function without arguments, called for each request of `health`. If it returns True, the"
        " answer contains the counts, too. `None` shows them to nobody.",
    )


SETTINGS = tuple(Setting(field.name, **field.metadata) for field in fields(Settings))
"""All settings, in the order of their declaration."""


def check_names(names: Iterable[str], known: Iterable[str]) -> None:
    """Check that every name is the name of a setting.

    Raises:
        ConfigError: a name is unknown. The message suggests the most similar one.
    """
    known = list(known)
    for name in names:
        if name not in known:
            similar = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
            hint = f"Did you mean {similar[0]}?" if similar else f"There are: {', '.join(known)}."
            raise ConfigError(f"tcs_events has no setting {name}. {hint}")


def read_settings(config: Mapping[str, Any], options: Mapping[str, object]) -> Settings:
    """Return the settings of an app: from its config, else the blueprint's options, else defaults.

    Raises:
        ConfigError: a value is not allowed, or a `TCS_EVENTS_` key is unknown.
    """
    keys = [setting.key for setting in SETTINGS]
    check_names((key for key in config if key.startswith(PREFIX)), keys)
    values = {}
    for setting in SETTINGS:
        value = config.get(setting.key, options.get(setting.option, setting.default))
        try:
            values[setting.option] = setting.read(value)
        except ValueError as error:
            raise ConfigError(f"{setting.key} {error}.") from None
    return Settings(**values)
