"""What a browser test may ask of a browser, whichever engine it has.

A test is written once against `Engine` and `Tab`. One browser process per engine serves all tests.
Each test visits a site on a port of its own, and so starts with an empty storage in every engine.
"""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

Button = Literal["left", "middle", "right"]
Modifier = Literal["Control", "Shift"]

PATIENCE_SECONDS = 60
"""How long anything may take. Far beyond what it takes, because a busy machine is not a fault."""

FIND = """
    const find = path => path.split(">>>").reduce(
        (root, selector) => (root.shadowRoot ?? root).querySelector(selector), document);
"""
"""`x-card >>> button` is the button in the open shadow root of `x-card`."""

PLACE_OF = f"""
    {FIND}
    const element = find(arguments[0]);
    element.scrollIntoView({{block: "center", inline: "center"}});
    const box = element.getClientRects()[0];
    return [Math.round(box.left + box.width / 2), Math.round(box.top + box.height / 2)];
"""


class Tab(ABC):
    """One tab. Every method works on this tab, wherever the last one worked."""

    @abstractmethod
    def open(self, address: str) -> None:
        """Go to an address, and return once its page has loaded."""

    @abstractmethod
    def run(self, script: str, *arguments: Any) -> Any:
        """Run the body of a function in the page; return what it returns, as JSON would.

        The arguments are in `arguments`, as JSON would have them. Do not return a promise: not
        every driver waits for one.
        """

    @abstractmethod
    def run_in_frame(self, script: str, *arguments: Any) -> Any:
        """Do the same in the first frame of the page, whatever origin that has."""

    @abstractmethod
    def press(self, key: Literal["Enter", " "], times: int = 1) -> None:
        """Press and release a key, wherever the focus is."""

    @abstractmethod
    def close(self) -> None:
        """Close the tab, as a visitor does who has read enough."""

    @abstractmethod
    def _click_at(
        self, x: int, y: int, button: Button, modifiers: tuple[Modifier, ...], times: int
    ) -> None:
        """Click at a place of the window."""

    def click(
        self,
        element: str,
        *,
        button: Button = "left",
        modifiers: tuple[Modifier, ...] = (),
        times: int = 1,
    ) -> None:
        """Click in the middle of an element, with a mouse. `FIND` says how the element is named."""
        x, y = self.run(PLACE_OF, element)
        self._click_at(x, y, button, modifiers, times)

    def reload(self) -> None:
        self.open(self.run("return location.href"))

    def wait_for(self, expression: str, *arguments: Any, seconds: float = PATIENCE_SECONDS) -> bool:
        """Return whether an expression became true in time. Between pages it counts as false."""

        def holds() -> bool:
            # A page that is just being left cannot be asked.
            with contextlib.suppress(Exception):
                return bool(self.run(f"return !!({expression})", *arguments))
            return False

        return wait_until(holds, seconds)

    def wait_for_page(self, address: str) -> None:
        """Wait until the tab shows the page with this address, or with this end of one."""
        shown = "location.href.endsWith(arguments[0]) && document.readyState === 'complete'"
        assert self.wait_for(shown, address), f"the tab never came to {address}"


class Engine(ABC):
    """One running browser."""

    name: str

    @classmethod
    @abstractmethod
    def start(cls) -> Self:
        """Start the browser, or skip the test where there is none."""

    @abstractmethod
    def quit(self) -> None: ...

    @abstractmethod
    def new_tab(self) -> Tab: ...

    @abstractmethod
    def tabs(self) -> Sequence[Tab]:
        """Return the tabs that are open, those too that a page has opened."""

    @abstractmethod
    def close_tabs(self) -> None:
        """Leave the browser as a new test wants it: with no page in it."""


class OneProfile(Engine):
    """An engine whose tabs have one profile between them, and that ends with its last tab."""

    def __init__(self) -> None:
        self._unused = self._handles()
        """Tabs that no test has opened a page in."""

    @abstractmethod
    def _handles(self) -> list[str]:
        """Return the driver's names of all tabs."""

    @abstractmethod
    def _open(self) -> str:
        """Open a tab, whether or not the one that was asked last is still there."""

    @abstractmethod
    def _tab(self, handle: str) -> Tab: ...

    def new_tab(self) -> Tab:
        return self._tab(self._unused.pop() if self._unused else self._open())

    def tabs(self) -> Sequence[Tab]:
        return [self._tab(handle) for handle in self._handles()]

    def close_tabs(self) -> None:
        self._unused = [self._open()]
        for handle in self._handles():
            if handle not in self._unused:
                self._tab(handle).close()


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    """Return whether a condition became true in time."""
    deadline = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return met
