"""Checks the texts of the query string."""

from __future__ import annotations

PARAMETER_MAX_LENGTH = 400


class BadParameter(Exception):
    """A parameter in the URL is invalid. The message is shown to the reader."""


def checked(name: str, text: str, max_length: int = PARAMETER_MAX_LENGTH) -> str:
    """Return the text of a parameter without surrounding spaces.

    Raises:
        BadParameter: it is too long, or has control characters.
    """
    text = text.strip()
    if len(text) > max_length:
        raise BadParameter(f"“{name}” must have at most {max_length} characters.")
    if not text.isprintable():
        raise BadParameter(f"“{name}” must not have control characters.")
    return text


def checked_texts(name: str, texts: list[str], max_count: int) -> list[str]:
    """Return the texts of a parameter that may be repeated, without empty ones.

    Raises:
        BadParameter: there are too many, or one is invalid.
    """
    texts = [text for text in (checked(name, text) for text in texts) if text]
    if len(texts) > max_count:
        raise BadParameter(f"“{name}” may be given at most {max_count} times.")
    return texts
