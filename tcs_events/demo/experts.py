"""The experts of the marketplace. All of them are made up."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TypedDict


class ExpertRow(TypedDict):
    username: str
    name: str
    title: str
    bio: str
    tags: list[str]
    hourly_rate: int  # in euros
    hue: int  # of the avatar, in degrees of the colour wheel


EXPERTS: list[ExpertRow] = json.loads(
    files("tcs_events.demo").joinpath("experts.json").read_text("utf-8")
)
