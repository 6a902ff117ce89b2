"""Decides which texts are the same in a report."""

from __future__ import annotations

import re
import unicodedata

from tcs_events.counts.tables import NAME_MAX_LENGTH

READ_MAX_LENGTH = 2_000
"""How many characters of a text are read. It is far more than needed for 200 characters."""
MARKS_MAX_LENGTH = 30
"""How many combining marks in a row are read. Python sorts such a run in quadratic time: 30,000
marks took 0.8 s. The number is that of the Stream-Safe Text Format,
https://www.unicode.org/reports/tr15/#Stream_Safe_Text_Format."""

# Default_Ignorable_Code_Point of Unicode 14.0:
# https://www.unicode.org/Public/14.0.0/ucd/DerivedCoreProperties.txt
DEFAULT_IGNORABLE = (
    (0x00AD, 0x00AD),  # soft hyphen
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x061C, 0x061C),  # Arabic letter mark
    (0x115F, 0x1160),  # Hangul fillers
    (0x17B4, 0x17B5),  # Khmer inherent vowels
    (0x180B, 0x180F),  # Mongolian variation selectors, vowel separator
    (0x200B, 0x200F),  # zero-width space and joiners, direction marks
    (0x202A, 0x202E),  # embedding and override of direction
    (0x2060, 0x206F),  # word joiner, invisible operators, isolates
    (0x3164, 0x3164),  # Hangul filler
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFEFF, 0xFEFF),  # byte order mark
    (0xFFA0, 0xFFA0),  # halfwidth Hangul filler
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),  # shorthand format controls
    (0x1D173, 0x1D17A),  # musical format controls
    (0xE0000, 0xE0FFF),  # tags, variation selectors supplement
)
# Also invisible, but not in Unicode's list: control characters that are not white space, and the
# marks around an interlinear annotation.
_OTHER_INVISIBLE = ((0x00, 0x08), (0x0E, 0x1B), (0x7F, 0x84), (0x86, 0x9F), (0xFFF9, 0xFFFB))
_INVISIBLE = re.compile(
    f"[{''.join(f'{chr(a)}-{chr(b)}' for a, b in (*DEFAULT_IGNORABLE, *_OTHER_INVISIBLE))}]+"
)
_SAME_AS = (
    # Quotation marks, angle quotation marks, the grave accent, primes, modifier letters, Armenian
    # and Hebrew marks. NFKC turns an accent that stands alone into a space and a combining mark.
    (
        "'",
        "[`\u2018-\u201b\u2039\u203a\u02b9\u02bb-\u02bd\u02c8\u02ca\u02cb\u2032\u2035\u055a\u05f3\ua78c]"
        "| [\u0300\u0301\u0313\u0314]",
    ),
    ('"', "[\u201c-\u201f\u00ab\u00bb\u02ba\u02ee\u05f4\u301d-\u301f]| \u030b"),
    # Hyphens, dashes, the minus sign, the hyphen bullet, the modifier minus, the Armenian hyphen.
    ("-", "[\u2010-\u2015\u2212\u2043\u02d7\u058a]"),
    ("/", "[\u2044\u2215]"),
    (" ", "\u2800"),
    # The capital of the dotless i is I, too.
    ("i", "\u0131"),
    ("j", "\u0237"),
)
_LOOK_ALIKE = re.compile("|".join(f"({pattern})" for _, pattern in _SAME_AS))
# Letters and digits that are not marks and do not look like others: Latin, Greek, Cyrillic, Hebrew,
# Arabic, kana, Han and Hangul. Nearly all texts have only these once they are folded. Folding them
# again would take twenty times as long.
_USUAL = re.compile(
    r"[ -_a-~\u00df-\u0130\u0132-\u0236\u0238-\u024f\u0386-\u03ff\u0400-\u0481\u048a-\u052f"
    r"\u05d0-\u05ea\u0620-\u064a\u0660-\u0669\u3041-\u3096\u30a1-\u30fc\u4e00-\u9fff\uac00-\ud7a3]*"
)
_SPACES = re.compile(r"\s{2,}")
_DOT_ABOVE = "\u0307"
# i and j, i with stroke, j with crossed tail, the Greek yot, the Cyrillic i and je.
_HAS_A_DOT = frozenset("ij\u0268\u029d\u03f3\u0456\u0458")


def normalise(text: str) -> str:
    """Return a text in the form in which reports compare it. Texts that look alike become equal.

    The result has at most 200 characters. It is "" if the text has no visible characters.

    The form is Unicode's NFKC_Casefold. It ignores case and the width and form of letters, and
    removes invisible characters: zero-width characters, soft hyphens, variation selectors and
    direction marks. Runs of white space become single spaces, with none at the ends. Besides:

    - Quotation marks and apostrophes of all shapes become `"` and `'`.
    - Hyphens, dashes and the minus sign become `-`. Fraction and division slashes become `/`.
    - The Turkish dotted and dotless i both become i, because I may be the capital of either.
    - Control characters that are not white space are removed. A blank Braille cell is a space.
    - Only the first 30 combining marks in a row are kept.

    Normalising the result again does not change it.
    """
    if text.isascii() and text.isprintable():  # the fast path, for most texts
        folded = text.lower().replace("`", "'")
    elif len(text) > NAME_MAX_LENGTH or not _USUAL.fullmatch(folded := _folded_once(text)):
        folded = _folded(_SPACES.sub("  ", _INVISIBLE.sub("", text))[:READ_MAX_LENGTH])
    return cut(_single_spaces(folded)).rstrip()


def cut(text: str) -> str:
    """Return a text as the tables store it: at most 200 characters, all of which can be stored."""
    text = text[:NAME_MAX_LENGTH]
    if text.isascii() and "\0" not in text:
        return text
    # The host's own code may have stored characters that the endpoint refuses. No database stores
    # half of a surrogate pair as text, and PostgreSQL does not store NUL.
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _single_spaces(text: str) -> str:
    return " ".join(text.split())


def _folded_once(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _plain(text: str) -> str:
    """Return the text with look-alike characters made equal, and long runs of marks cut."""
    text = _LOOK_ALIKE.sub(lambda match: _SAME_AS[(match.lastindex or 0) - 1][0], text)
    if not any(map(unicodedata.combining, text)):
        return text
    kept: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks <= MARKS_MAX_LENGTH:
            kept.append(char)
    return "".join(kept)


def _folded(text: str) -> str:
    """Fold until nothing changes: removing a character may join two others that fold together."""
    while True:
        folded = unicodedata.normalize("NFKC", _plain(text))
        folded = _plain(_INVISIBLE.sub("", folded.casefold()))
        folded = _without_second_dots(unicodedata.normalize("NFKC", folded))
        if folded == text:
            return folded
        text = folded


def _without_second_dots(text: str) -> str:
    """Remove a combining dot above letters that have a dot: casefolding adds one to Turkish I."""
    if _DOT_ABOVE not in text:
        return text
    kept: list[str] = []
    has_a_dot = False
    for char in unicodedata.normalize("NFD", text):
        place = unicodedata.combining(char)
        if char == _DOT_ABOVE and has_a_dot:
            continue
        if place == 0:
            has_a_dot = char in _HAS_A_DOT
        elif place == unicodedata.combining(_DOT_ABOVE):
            has_a_dot = False
        kept.append(char)
    return unicodedata.normalize("NFC", "".join(kept))
