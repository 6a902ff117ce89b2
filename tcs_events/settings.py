"""The settings: one table of names, defaults and help, read once when the blueprint registers."""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marshmallow import Schema

from tcs_events.errors import ConfigError
from tcs_events.strict_json import MAX_VALUES
from tcs_events.time_zones import ZoneDataMissing, find_zone

if TYPE_CHECKING:
    from limits import RateLimitItem

PREFIX = "TCS_EVENTS_"
EVENT_TYPE_MAX_LENGTH = 50  # the width of the column

_EVENT_TYPE = re.compile(r"[\w.:-]+")
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
LOG_LEVELS = ("info", "debug", "off")

Access = Callable[[], Any]
"""A function of the host that returns True if the current request may see the counts."""

EventTypes = dict[str, type[Schema] | None]
"""The allowlist: from event type to the marshmallow schema of its payload; None allows any."""


def _event_types(value: object) -> EventTypes:
    """Return the allowlist. Types that come without a schema allow any payload."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(
            "must be a list of event types, or a dict from event type to Schema class or None"
        )
    types = dict(value) if isinstance(value, Mapping) else dict.fromkeys(value)
    if not types:
        raise ValueError("must name at least one event type")
    for name, schema in types.items():
        if not (isinstance(name, str) and _EVENT_TYPE.fullmatch(name)):
            raise ValueError(
                f"has {name!r}, but an event type may only contain letters, digits and _ . : -"
                f"{_suggestion(name)}"
            )
        if len(name) > EVENT_TYPE_MAX_LENGTH:
            raise ValueError(
                f"has {name!r}, which is longer than {EVENT_TYPE_MAX_LENGTH} characters"
            )
        if schema is not None and not (isinstance(schema, type) and issubclass(schema, Schema)):
            raise ValueError(f"has {schema!r} for {name!r}, but takes a Schema class or None")
    return types


def _suggestion(name: object) -> str:
    """Return the event type that was probably meant, as the end of a sentence."""
    word = "_".join(re.findall(r"[\w.:-]+", name)) if isinstance(name, str) else ""
    return f", such as {word.lower()[:EVENT_TYPE_MAX_LENGTH]!r}" if word else ""


def _positive_int(value: object) -> int:
    # In Python True is an int. It must not pass as 1.
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"must be a whole number of at least 1, not {value!r}")
    return value


def _timeout_ms(value: object) -> int:
    milliseconds = _positive_int(value)
    if not 100 <= milliseconds <= 1800:
        raise ValueError(
            f"must be from 100 to 1800 (answers come within two seconds), not {value!r}"
        )
    return milliseconds


def _report_timeout_ms(value: object) -> int:
    milliseconds = _positive_int(value)
    if not 100 <= milliseconds <= 600_000:
        raise ValueError(f"must be from 100 to 600000 (ten minutes), not {value!r}")
    return milliseconds


def _durability(value: object) -> str:
    if value not in (SYNCED, LOST_ON_POWER_CUT):
        raise ValueError(f"must be {SYNCED!r} or {LOST_ON_POWER_CUT!r}, not {value!r}")
    return str(value)


def _origins(value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError("must be a list of origins, such as ['https://shop.example']")
    origins = tuple(value)
    for origin in origins:
        if not (isinstance(origin, str) and _ORIGIN.fullmatch(origin)):
            raise ValueError(
                f"has {origin!r}, which is not an exact origin: scheme, host and optional port, in"
                " lower case, such as 'https://shop.example'"
            )
    return origins


def _field_names(value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError("must be a list of names of payload fields, such as ['query_text']")
    names = tuple(value)
    for name in names:
        if not isinstance(name, str) or not name:
            raise ValueError(f"has {name!r}, which is not the name of a field")
    return names


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be True or False, not {value!r}")
    return value


def _bots(value: object) -> str:
    if value not in (BOTS_STORE, BOTS_MARK, BOTS_DROP):
        raise ValueError(f"must be {BOTS_STORE!r}, {BOTS_MARK!r} or {BOTS_DROP!r}, not {value!r}")
    if value != BOTS_STORE and importlib.util.find_spec("crawleruseragents") is None:
        raise ValueError(
            f"is {value!r}, which needs crawler-user-agents: pip install 'tcs-events[bots]'"
        )
    return str(value)


def _log_level(value: object) -> str:
    if value not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(map(repr, LOG_LEVELS))}, not {value!r}")
    return str(value)


def _kept_rejected(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_REJECTED:
        raise ValueError(f"must be a whole number from 0 to {MAX_REJECTED}, not {value!r}")
    return value


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


def _bind_key(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"must be a key of SQLALCHEMY_BINDS or None, not {value!r}")
    return value


def _access(value: object) -> Access | None:
    if value is not None and not callable(value):
        raise ValueError(
            "must be None, or a function without arguments that returns True or False, not"
            f" {value!r}"
        )
    return value


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    `read` returns the value that we use, or raises `ValueError`. The text of that error continues a
    sentence that begins with the key: "must be True or False".
    """

    option: str
    default: object
    read: Callable[[object], Any]
    help: str

    @property
    def key(self) -> str:
        """The name in `app.config`."""
        return PREFIX + self.option.upper()


SETTINGS = (
    Setting(
        "event_types",
        ("card_click", "sage_query", "filter_change"),
        _event_types,
        "The event types that are accepted: a list, or a dict from event type to the marshmallow"
        " schema class of its payload. `None` is for a free-form payload.",
    ),
    Setting(
        "max_body_bytes",
        64 * 1024,
        _positive_int,
        "The longest request body, in bytes. A longer one is answered 413. Browsers allow 64 KiB"
        " for all requests together that outlive a page.",
    ),
    Setting(
        "bind_key",
        None,
        _bind_key,
        "The key of `SQLALCHEMY_BINDS` whose database stores the events. `None` is the default"
        " database.",
    ),
    Setting(
        "max_batch_events",
        50,
        _positive_int,
        "The most events of one batch. A larger batch is answered 422, and nothing of it is"
        " stored.",
    ),
    Setting(
        "max_values",
        MAX_VALUES,
        _positive_int,
        "The most JSON values of one body. An object or a list counts as three. A body with more is"
        " answered 422 before it is parsed. This bounds the memory that a request takes.",
    ),
    Setting(
        "durability",
        SYNCED,
        _durability,
        'What 202 promises. `"synced"`: the event is on the disk. `"lost_on_power_cut"`: the event'
        " survives the process, but a power cut may take the last events.",
    ),
    Setting(
        "timeout_ms",
        1500,
        _timeout_ms,
        "How long the database may take to store an event, in milliseconds, before 503 is"
        " answered.",
    ),
    Setting(
        "queue_max_events",
        10_000,
        _positive_int,
        "How many events of one process may wait for the database. Beyond that, events are answered"
        " 503.",
    ),
    Setting(
        "queue_max_bytes",
        8 * 1024 * 1024,
        _positive_int,
        "How many bytes of request bodies of one process may wait for the database. Beyond that,"
        " events are answered 503.",
    ),
    Setting(
        "cors_origins",
        (),
        _origins,
        "The origins of other sites whose pages may send events and read the answers, such as"
        ' `["https://shop.example"]`.',
    ),
    Setting(
        "client_limit",
        None,
        _limit,
        'How many events one client address may send, such as `"600/minute"`. Of IPv6, a /64 counts'
        " as one address. Beyond that, events are answered 429. Needs `tcs-events[limits]`.",
    ),
    Setting(
        "session_limit",
        None,
        _limit,
        'How many events one session may send, such as `"120/minute"`. Beyond that, events are'
        " answered 429. Needs `tcs-events[limits]`.",
    ),
    Setting(
        "limit_storage",
        "memory://",
        _limit_storage,
        "Where the events of both limits are counted. With `memory://` each process counts for"
        " itself. With `redis://host:6379/0` all processes count together; this needs"
        " `tcs-events[redis]` and `app.secret_key`.",
    ),
    Setting(
        "respect_gpc",
        True,
        _flag,
        "Whether to store nothing of a browser that sends Global Privacy Control (`Sec-GPC: 1`)."
        " The tracker does not send anything from such a browser.",
    ),
    Setting(
        "respect_dnt",
        False,
        _flag,
        "The same for Do Not Track (`DNT: 1`), which browsers are giving up.",
    ),
    Setting(
        "bots",
        BOTS_STORE,
        _bots,
        'What happens to the events of crawlers. `"store"`: they are not recognised, and stored.'
        ' `"mark"`: they are stored, and reports leave their sessions out. `"drop"`: they are not'
        ' stored. `"mark"` and `"drop"` need `tcs-events[bots]`.',
    ),
    Setting(
        "keep_rejected",
        0,
        _kept_rejected,
        "How many of the newest events that were answered 422 are kept for `flask tcs-events"
        " replay`. 0 keeps none.",
    ),
    Setting(
        "accepted_log_level",
        "info",
        _log_level,
        'The level of the log line for each stored event: `"info"` or `"debug"`. `"off"` writes no'
        " line.",
    ),
    Setting(
        "timezone",
        "UTC",
        _timezone,
        "The time zone of the days, hours and weeks in reports. If you change it, everything is"
        " counted again. Any zone but UTC needs time zone data, from the system or from"
        " `pip install tzdata`.",
    ),
    Setting(
        "min_sessions",
        3,
        _positive_int,
        "How many visits it takes until a query is listed as unmet demand, and until an expert is"
        " judged by clicks. Fewer visits say too little, and a rare query may be personal.",
    ),
    Setting(
        "scrub_fields",
        (),
        _field_names,
        "The payload fields, at any depth, whose text is scrubbed before it is stored, such as"
        ' `["query_text"]`. E-mail addresses become `[email]`, and numbers of 7 digits or more'
        " `[number]`.",
    ),
    Setting(
        "report_timeout_ms",
        10_000,
        _report_timeout_ms,
        "How long a question may take, in milliseconds. All questions of one page of the dashboard"
        " share this time, and so does the counting that the page waits for. PostgreSQL and SQLite"
        " stop at any moment; any other database stops between two rows, not before the first one."
        " Commands, the worker and exports have no limit for counting and writing.",
    ),
    Setting(
        "health_access",
        None,
        _access,
        "A function without arguments, called for each request of `health`. If it returns True, the"
        " answer contains the counts, too. `None` shows them to nobody.",
    ),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one app, as read from `SETTINGS`."""

    event_types: EventTypes
    max_body_bytes: int
    bind_key: str | None
    max_batch_events: int
    max_values: int
    durability: str
    timeout_ms: int
    queue_max_events: int
    queue_max_bytes: int
    cors_origins: tuple[str, ...]
    client_limit: RateLimitItem | None
    session_limit: RateLimitItem | None
    limit_storage: str
    respect_gpc: bool
    respect_dnt: bool
    bots: str
    keep_rejected: int
    accepted_log_level: str
    timezone: ZoneInfo
    min_sessions: int
    scrub_fields: tuple[str, ...]
    report_timeout_ms: int
    health_access: Access | None


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
