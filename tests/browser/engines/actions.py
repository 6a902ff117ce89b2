"""What a hand does, in the words of W3C WebDriver's "Perform Actions"."""

from __future__ import annotations

from typing import Any

from tests.browser.engines.engine import Button, Modifier

BUTTONS: dict[Button, int] = {"left": 0, "middle": 1, "right": 2}
KEYS = {"Control": "\ue009", "Shift": "\ue008", "Enter": "\ue007", " ": " "}

Actions = list[dict[str, Any]]


def click(x: int, y: int, button: Button, modifiers: tuple[Modifier, ...], times: int) -> Actions:
    """Click at a place of the window, with keys held down."""
    held = [KEYS[modifier] for modifier in modifiers]
    clicks = [{"type": kind, "button": BUTTONS[button]} for kind in ("pointerDown", "pointerUp")]
    hand = [{"type": "pointerMove", "x": x, "y": y, "duration": 0}, *(clicks * times)]
    # Both hands act in step, one action a tick: the keys go down before the mouse moves.
    pause = [{"type": "pause"}]
    fingers = [{"type": "keyDown", "value": key} for key in held]
    fingers += pause * len(hand) + [{"type": "keyUp", "value": key} for key in held]
    mouse = pause * len(held) + hand
    return [
        {"type": "key", "id": "keyboard", "actions": fingers},
        {
            "type": "pointer",
            "id": "mouse",
            "parameters": {"pointerType": "mouse"},
            "actions": mouse,
        },
    ]


def press(key: str, times: int) -> Actions:
    """Press and release a key. While it is held down, it is pressed again `times` - 1 times."""
    strokes = [{"type": "keyDown", "value": KEYS[key]}] * times
    strokes.append({"type": "keyUp", "value": KEYS[key]})
    return [{"type": "key", "id": "keyboard", "actions": strokes}]
