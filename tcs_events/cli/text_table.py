"""Tables that fit a terminal. The least important columns go first, and "…" marks a cut text."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection, Sequence

from tcs_events.cli.visible import columns_of, cut, cut_middle

GAP = "  "
LABEL_COLUMNS, MIN_COLUMNS = 24, 12
"""The shortest width to cut texts to: before columns are left out, and after."""

Cells = Sequence[str]


class TextTable:
    """Lays out cells of text as lines that fit a given width.

    If the table is too wide, these steps are taken until it fits:

    1. Break titles into several lines.
    2. Leave out columns without a title (bars), if that is enough.
    3. Cut texts to `LABEL_COLUMNS`.
    4. Leave out the bars, then the `optional` columns in their order.
    5. Cut texts to `MIN_COLUMNS`.
    6. Leave out columns from the right.
    7. Cut texts to what is left.

    Texts of the first column are cut in their middle, others at their end. The first column and
    those in `keep` are never left out. Numbers, and columns whose index is in `whole`, are never
    cut.
    """

    def __init__(
        self,
        titles: Cells,
        rows: Sequence[Cells],
        is_number: Sequence[bool],
        *,
        whole: Collection[int] = (),
        optional: Sequence[str] = (),
        keep: Collection[str] = (),
    ) -> None:
        self._titles, self._rows, self._is_number = titles, rows, is_number
        self._whole = {*whole, *(place for place, number in enumerate(is_number) if number)}
        self._places = list(range(len(titles)))
        self._is_broken = False
        self._widths = self._natural_widths()
        self._kept = {place for place, title in enumerate(titles) if title in keep}
        self._bars = [place for place, title in enumerate(titles) if not title]
        self._optional = [*self._bars, *(titles.index(name) for name in optional if name in titles)]
        self._last = [place for place in reversed(self._places) if place not in {0, *self._kept}]

    def lines(self, room: int | None = None) -> tuple[list[str], list[str]]:
        """Return the lines of the titles and the lines of the rows, at most `room` wide."""
        if room is not None:
            self._fit(room)
        heads = [self._broken(place) for place in self._places]
        height = max(map(len, heads), default=0)
        titles = [
            self._line([([""] * (height - len(head)) + head)[number] for head in heads])
            for number in range(height)
        ]
        return titles, [self._line([row[place] for place in self._places]) for row in self._rows]

    @property
    def left_out(self) -> list[str]:
        """The titles of the columns that did not fit."""
        shown = set(self._places)
        return [title for place, title in enumerate(self._titles) if title and place not in shown]

    def _fit(self, room: int) -> None:
        if not self._fits(room):
            # Titles are often wider than the numbers below them, so this frees the most room.
            self._is_broken = True
            self._widths = self._natural_widths()
        every = list(self._places)
        self._drop(room, self._bars)
        if not self._fits(room):
            self._places = every
        self._shrink(room, LABEL_COLUMNS)
        self._drop(room, self._optional)
        self._shrink(room, MIN_COLUMNS)
        self._drop(room, self._last)
        # Nothing else is left to give up. A cut text is easier to read than a wrapped line.
        self._kept.clear()
        self._shrink(room, 1)
        self._grow(room)

    def _fits(self, room: int) -> bool:
        gaps = len(GAP) * (len(self._places) - 1)
        return sum(self._widths[place] for place in self._places) + gaps <= room

    def _shrink(self, room: int, least: int) -> None:
        """Narrow the widest text column until the table fits, down to `least`."""
        whole = self._whole | self._kept
        texts = [place for place in self._places if place not in whole]
        while texts and not self._fits(room):
            widest = max(texts, key=lambda place: self._widths[place])
            if self._widths[widest] <= least:
                return
            self._widths[widest] -= 1

    def _grow(self, room: int) -> None:
        """Widen cut texts again, if a column that was left out later has freed some room."""
        natural = self._natural_widths()
        for place in self._places:
            while self._widths[place] < natural[place] and self._fits(room - 1):
                self._widths[place] += 1

    def _drop(self, room: int, places: Sequence[int]) -> None:
        for place in places:
            if self._fits(room):
                return
            if place in self._places:
                self._places.remove(place)

    def _natural_widths(self) -> list[int]:
        return [
            max(self._width_of_cells(place), *map(columns_of, self._broken(place)))
            for place in range(len(self._titles))
        ]

    def _width_of_cells(self, place: int) -> int:
        return max((columns_of(row[place]) for row in self._rows), default=0)

    def _broken(self, place: int) -> list[str]:
        title = self._titles[place]
        if not self._is_broken or not title:
            return [title]
        longest = max(map(columns_of, title.split(" ")))
        return textwrap.wrap(title, max(longest, self._width_of_cells(place)))

    def _line(self, cells: Cells) -> str:
        aligned = [
            _aligned(
                cell, self._widths[place], self._is_number[place], cut_middle if not place else cut
            )
            for cell, place in zip(cells, self._places, strict=True)
        ]
        return GAP.join(aligned).rstrip()


def _aligned(text: str, width: int, to_the_right: bool, cut_to: Callable[[str, int], str]) -> str:
    text = cut_to(text, width)
    padding = " " * (width - columns_of(text))
    return padding + text if to_the_right else text + padding
