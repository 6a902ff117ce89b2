"""A Flask blueprint that records what visitors do in the host's own database.

PYTEST_DONT_REWRITE: without this word, pytest warns that it cannot rewrite the assertions of a
package that has a plugin and was imported before, as by `flask test` of a host.
"""

from tcs_events.errors import (
    BodyEncoded,
    BodyTooLarge,
    ConfigError,
    DatabaseMissing,
    EventInvalid,
    StoreUnavailable,
    TableMissing,
    TcsEventsError,
)
from tcs_events.event_types.event_type import EventType
from tcs_events.event_types.marketplace import DEFAULT_EVENT_TYPES
from tcs_events.event_types.schemas import EventSchema
from tcs_events.faces.blueprint import create_blueprint, events_bp
from tcs_events.intake.announcing import event_accepted, event_rejected
from tcs_events.models import (
    UserEvent,
    UserEventBotSession,
    UserEventIdentity,
    UserEventRejection,
    UserEventUser,
    db,
)
from tcs_events.tracking.identify import identify
from tcs_events.tracking.track import track

__all__ = [
    "DEFAULT_EVENT_TYPES",
    "BodyEncoded",
    "BodyTooLarge",
    "ConfigError",
    "DatabaseMissing",
    "EventInvalid",
    "EventSchema",
    "EventType",
    "StoreUnavailable",
    "TableMissing",
    "TcsEventsError",
    "UserEvent",
    "UserEventBotSession",
    "UserEventIdentity",
    "UserEventRejection",
    "UserEventUser",
    "create_blueprint",
    "db",
    "event_accepted",
    "event_rejected",
    "events_bp",
    "identify",
    "track",
]
