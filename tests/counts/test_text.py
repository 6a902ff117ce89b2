"""Queries that look alike are counted as the same query."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -e '.[test]'")

import sys
import unicodedata
from time import process_time

from hypothesis import given
from hypothesis import strategies as st

from tcs_events.counts.text import DEFAULT_IGNORABLE, normalise

ODD = "aiIıİj\u0307\u0323\u0301\u034f\u00ad\u200b\ufeff'\u2019´ \u00a0-–½ßẞΣςﬁＡ가\u1100\u1161\u3164\U000e0041\ud800`"  # noqa: E501, RUF001

SAME = {
    "zero-width space": ("flask\u200bdeveloper", "flaskdeveloper"),
    "zero-width joiners": ("fla\u200csk\u200d", "flask"),
    "byte order mark": ("\ufeffflask", "flask"),
    "soft hyphen": ("de\u00advelo\u00adper", "developer"),
    "word joiner": ("fl\u2060ask", "flask"),
    "variation selector": ("\u2764\ufe0f rust", "\u2764 rust"),
    "variation selector of the supplement": ("\u845b\U000e0100", "\u845b"),
    "Mongolian variation selector": ("\u1820\u180b", "\u1820"),
    "apostrophe": ("l\u2019or\u00e9al", "l'or\u00e9al"),
    "acute accent as apostrophe": ("l\u00b4or", "l'or"),
    "grave accent as apostrophe": ("l`or", "l'or"),
    "modifier letter apostrophe": ("o\u02bcneil", "o'neil"),
    "low and high quotes": ("\u201eflask\u201c", '"flask"'),
    "guillemets": ("\u00abflask\u00bb", '"flask"'),
    "en dash": ("full\u2013stack", "full-stack"),
    "non-breaking hyphen": ("full\u2011stack", "full-stack"),
    "minus sign": ("\u22125", "-5"),
    "ellipsis": ("who\u2026", "who..."),
    "fraction": ("\u00bd", "1/2"),
    "dotted capital I": ("\u0130stanbul", "istanbul"),
    "dotted i": ("i\u0307stanbul", "istanbul"),
    "dotless i": ("\u0131sparta", "ISPARTA"),
    "dotted capital I with a dot below": ("\u0130\u0323", "I\u0323"),
    "Cyrillic i with a dot": ("\u0456\u0307", "\u0456"),
    "full width": ("\uff26\uff4c\uff41\uff53\uff4b", "flask"),
    "composed": ("caf\u00e9", "cafe\u0301"),
    "no-break space": ("flask\u00a0dev", "flask dev"),
    "ideographic, thin and narrow space": ("a\u3000b\u2009c\u202fd", "a b c d"),
    "line separators": ("a\u2028b\u2029c\x85d", "a b c d"),
    "Braille blank": ("a\u2800b", "a b"),
    "direction marks": ("\u200eflask\u202c\u2066\u2069\u061c", "flask"),
    "combining grapheme joiner": ("e\u034f\u0301", "\u00e9"),
    "Hangul fillers": ("\u3164a\uffa0\u115f\u1160", "a"),
    "tags": ("a\U000e0061\U000e007f", "a"),
    "control characters": ("fl\x07ask\x7f\x80", "flask"),
    "annotation marks": ("\ufff9a\ufffb", "a"),
    "sharp s": ("STRA\u1e9eE", "strasse"),
    "final sigma": ("\u03bf\u03b4\u03cc\u03c2", "\u039f\u0394\u038c\u03a3"),
    "ligature": ("\ufb01ne", "fine"),
}


def test_what_looks_the_same_is_the_same() -> None:
    for name, (text, other) in SAME.items():
        assert normalise(text) == normalise(other), name
        assert normalise(f"so {text} it") == normalise(f"So  {other} It\n"), name


@pytest.mark.parametrize(
    "text",
    ["\u200b", "\ufeff \u00ad", "\u3164", "\u2800", "\ufe0f", "\x00\x07", "\U000e0041", "\u200e\t"],
)
def test_what_nobody_sees_is_empty(text: str) -> None:
    assert normalise(text) == ""


@pytest.mark.parametrize("texts", [("c", "c++"), ("e", "\u00e9"), ("ab", "a b"), ("5", "-5")])
def test_what_looks_different_stays_different(texts: tuple[str, str]) -> None:
    assert normalise(texts[0]) != normalise(texts[1])


def test_every_code_point_is_folded_at_least_as_unicode_says() -> None:
    """Texts that NFKC_Casefold makes equal are equal, and folding the result changes nothing."""
    ignorable = {code for first, last in DEFAULT_IGNORABLE for code in range(first, last + 1)}
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        folded = normalise(char)
        assert folded == char or normalise(folded) == folded, hex(code)
        assert code not in ignorable or folded == ""
        for same in {char.casefold(), unicodedata.normalize("NFKC", char)} - {char, folded}:
            assert normalise(same) == folded, hex(code)


def test_no_code_point_changes_what_is_beside_it_twice() -> None:
    for code in range(sys.maxunicode + 1):
        if (char := chr(code)) == char.casefold() == unicodedata.normalize("NFKC", char):
            continue  # nothing happens to it
        folded = normalise(f"A{char}i")
        assert normalise(folded) == folded, hex(code)
        assert normalise(f"a{char.casefold()}I") == folded, hex(code)


@given(st.text(st.sampled_from(ODD)) | st.text())
def test_what_is_folded_stays_as_it_is(text: str) -> None:
    folded = normalise(text)
    assert normalise(folded) == folded
    assert len(folded) <= 200
    for same in (unicodedata.normalize("NFD", text), unicodedata.normalize("NFC", text)):
        assert normalise(same) == folded
    folded.encode()


def test_no_text_takes_long() -> None:
    """Sorting the marks of a long run is quadratic in Python; a body has room for 30,000."""

    def seconds(size: int) -> float:
        text = "a" + "\u0301\u0323" * size
        begin = process_time()
        normalise(text)
        return process_time() - begin

    assert min(seconds(40_000) for _ in range(3)) < 20 * min(seconds(4_000) for _ in range(3))
    # Control: the very thing that is avoided is a hundred times slower for ten times the text.
    assert normalise("a" + "\u0301" * 40_000) == normalise("a" + "\u0301" * 100)


@given(st.text(max_size=30))
def test_the_quick_way_is_the_thorough_one(text: str) -> None:
    """A text that is too long for the fast path gives the same result."""
    assert normalise(text + " " * 250) == normalise(text)
