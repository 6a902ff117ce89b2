from marshmallow import Schema, fields, validate
from tcs_events import EventType, create_blueprint
from tcs_events.roles import Click, FilterChange, Impression, Search

at_least_0 = validate.Range(min=0)
at_least_1 = validate.Range(min=1)


class SearchPayload(Schema):
    text = fields.String(required=True)
    found = fields.Integer(required=True, strict=True, validate=at_least_0)
    rooms = fields.List(fields.String(), required=True)
    filters = fields.Dict(keys=fields.String(), required=True)


class FilterPayload(Schema):
    filter = fields.String(required=True, validate=validate.OneOf(["max_price"]))
    value = fields.Integer(required=True, strict=True, allow_none=True)
    filters = fields.Dict(keys=fields.String(), required=True)
    found = fields.Integer(required=True, strict=True, validate=at_least_0)


class SeenPayload(Schema):
    room_id = fields.String(required=True)
    position = fields.Integer(required=True, strict=True, validate=at_least_1)


class OpenedPayload(Schema):
    room_id = fields.String(required=True)
    source = fields.String(required=True, validate=validate.OneOf(["list", "map"]))


class BookingPayload(Schema):
    room_id = fields.String(required=True)
    nights = fields.Integer(required=True, strict=True, validate=at_least_1)
    plan = fields.String(required=True, validate=validate.OneOf(["saver", "flexible"]))
    price = fields.Integer(required=True, strict=True, validate=at_least_0)


class SignUpPayload(Schema):
    plan = fields.String(required=True, validate=validate.OneOf(["free", "club"]))


EVENT_TYPES = [
    EventType(
        "search",
        SearchPayload,
        role=Search(query="text", result_count="found", item_ids="rooms", filters="filters"),
        help="Searched, and saw the rooms that were found.",
    ),
    EventType(
        "filter_changed",
        FilterPayload,
        role=FilterChange(filter="filter", value="value", filters="filters", result_count="found"),
        help="Changed a filter, and saw the rooms that were left.",
    ),
    EventType(
        "room_seen",
        SeenPayload,
        role=Impression(item="room_id", position="position"),
        help="Had a room on the screen.",
    ),
    EventType(
        "room_opened",
        OpenedPayload,
        role=Click(item="room_id", context="source", word="room"),
        help="Opened the page of a room.",
    ),
    EventType(
        "booking_done",
        BookingPayload,
        break_down=("plan",),
        add_up=("price",),
        help="Booked a room.",
    ),
    EventType(
        "sign_up",
        SignUpPayload,
        break_down=("plan",),
        help="Signed up as a user.",
    ),
]

events_bp = create_blueprint(event_types=EVENT_TYPES)
