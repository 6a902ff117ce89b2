"""What a host calls an item: its word in texts for people, and a fixed name in files and JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tcs_events.event_types.event_type import EventTypes
from tcs_events.event_types.marketplace import NAMES, WORD
from tcs_events.event_types.roles import FilterChange

_PLACE = re.compile(r"\{(items?|Items?|items_name)\}")
_OLD_NAMES = {old: name for name, old in NAMES.items()}


@dataclass(frozen=True, slots=True)
class Words:
    """The words for an item on one host."""

    item: str = "item"
    items: str = "items"
    has_old_names: bool = False
    """Whether programs read `expert_id` and `experts` instead of `item_id` and `items`."""

    def in_text(self, text: str) -> str:
        """Return a text with the words in the place of `{item}`, `{items}`, `{Item}`, `{Items}`.

        In the place of `{items_name}` is the name that programs read.
        """
        words = {
            "item": self.item,
            "items": self.items,
            "Item": _with_capital(self.item),
            "Items": _with_capital(self.items),
            "items_name": self.name("items"),
        }
        return _PLACE.sub(lambda place: words[place[1]], text)

    def name(self, name: str) -> str:
        """Return what programs call a column, a table or a field on this host.

        `item_id` and `expert_id` give the same, and so do `items` and `experts`.
        """
        name = _OLD_NAMES.get(name, name)
        return NAMES.get(name, name) if self.has_old_names else name

    @property
    def renamed(self) -> dict[str, str]:
        """What JSON calls the fields of answers that are named after the marketplace."""
        return {old: self.name(old) for old in _OLD_NAMES}


def words_of(event_types: EventTypes) -> Words:
    """Return the word that the roles of these types have for an item.

    If several have different words, their common word is "item".
    """
    roles = [each.role for each in event_types.values()]
    words = [role.word for role in roles if role and not isinstance(role, FilterChange)]
    pairs = [word if isinstance(word, tuple) else (word, "") for word in words if word]
    singular = {item for item, _ in pairs}
    has_old_names = WORD in singular
    if len(singular) != 1:
        return Words(has_old_names=has_old_names)
    item = singular.pop()
    plural = next((items for _, items in pairs if items), "") or _plural(item)
    return Words(item, plural, has_old_names)


def _plural(word: str) -> str:
    """Return the regular plural of an English word."""
    if re.search(r"(s|x|z|ch|sh)$", word):
        return word + "es"
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + "s"


def _with_capital(word: str) -> str:
    return word[:1].upper() + word[1:]
