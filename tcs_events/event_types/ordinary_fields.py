"""What those fields of marshmallow take that hold no other fields, as plain JSON."""

from __future__ import annotations

from marshmallow import fields

from tcs_events.event_types.rules import Field, Json

ORDINARY: dict[type[Field], Json] = {
    fields.String: {"kind": "text"},
    fields.Email: {"kind": "text"},  # it has a validator, which says more
    fields.Url: {"kind": "text"},  # as well
    fields.UUID: {"kind": "text", "format": "uuid"},
    fields.Date: {"kind": "text", "format": "date"},
    fields.Time: {"kind": "text", "format": "time"},
    fields.DateTime: {"kind": "text", "format": "date-time"},
    fields.NaiveDateTime: {"kind": "text", "format": "date-time"},
    fields.AwareDateTime: {"kind": "text", "format": "date-time"},
    fields.IP: {"kind": "text", "format": "ip"},
    fields.IPv4: {"kind": "text", "format": "ipv4"},
    fields.IPv6: {"kind": "text", "format": "ipv6"},
    fields.IPInterface: {"kind": "text", "format": "ip interface"},
    fields.IPv4Interface: {"kind": "text", "format": "ipv4 interface"},
    fields.IPv6Interface: {"kind": "text", "format": "ipv6 interface"},
    fields.Integer: {"kind": "integer"},
    fields.Float: {"kind": "number"},
    fields.Decimal: {"kind": "decimal"},
    fields.TimeDelta: {"kind": "duration"},
    fields.Boolean: {"kind": "boolean"},
    fields.Raw: {"kind": "any"},
}
"""The kind of the values, and of a text the format."""
