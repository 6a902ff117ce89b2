r"""JSON texts by what RFC 8259 says of them: it is JSON, it is not, or parsers may choose.

https://www.rfc-editor.org/rfc/rfc8259. `\u` in a text is written out; what is not UTF-8 is bytes.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable

Texts = dict[str, bytes]


def _named(family: str, texts: Iterable[str | bytes]) -> Texts:
    """Number the texts of a family."""
    return {
        f"{family} {number}": text.encode() if isinstance(text, str) else text
        for number, text in enumerate(texts, 1)
    }


def _lists(levels: int, innermost: str = "") -> str:
    return "[" * levels + innermost + "]" * levels


def _objects(levels: int, innermost: str = "1") -> str:
    return '{"a":' * levels + innermost + "}" * levels


def _mixed(levels: int) -> str:
    """Nest lists and objects in turn."""
    return "".join("[" if n % 2 else '{"a":' for n in range(levels)) + (
        "1" + "".join("]" if n % 2 else "}" for n in reversed(range(levels)))
    )


IS_JSON: Texts = {
    **_named("word", ["true", "false", "null", " null ", "\ttrue\n", "\r\nfalse\r\n"]),
    **_named("empty", ["{}", "[]", '""', "{ }", "[ ]", "[\n]", "{\t}", "[[],[]]", '{"":{}}']),
    **_named(
        "integer",
        ["0", "-0", "1", "-1", "10", "1234567890", "-987654321", "[0,0]", "[ 1 , 2 ]",
         "2147483647", "-2147483648", "4294967296", "9007199254740991", "-9007199254740991"],
    ),
    **_named(
        "integer beyond ours",
        ["9007199254740992", "-9007199254740992", "9007199254740993", "9223372036854775807",
         "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
         "18446744073709551615", "18446744073709551616", "1" + "0" * 100,
         "1" + "0" * 4299, "1" + "0" * 4300, "9" * 20_000],
    ),
    **_named(
        "fraction",
        ["0.0", "-0.0", "0.5", "-0.25", "1.0", "3.141592653589793", "0.1", "0.30000000000000004",
         "123456.789", "1.7976931348623157", "0." + "3" * 60, "1." + "0" * 300 + "1"],
    ),
    **_named(
        "exponent",
        ["0e1", "0E1", "0e+1", "0e-1", "-0e-0", "0e0", "1e0", "1E2", "1e+2", "1e-2", "1E-02",
         "1e00005", "1.5e3", "-1.5E+3", "5e-324", "2.2250738585072014e-308", "1e-300", "12e3",
         "9.007199254740991e15", "123.456e-7", "1e15"],
    ),
    **_named("exponent beyond ours", ["1e16", "-1e16", "1e22", "1e23", "1e300", "-1.5e200"]),
    **_named(
        "text",
        ['"a"', '" "', '"two words"', '"/"', '"\'"', '"a#b"', '"[]"', '"// no comment"', '"null"',
         '"' + "long " * 2000 + '"', '"\x7f"', '"é"', '"ß€"', '"\N{OWL}"', '"日本語"', '"עברית"',
         '"\u2028\u2029"', '"\ufeff"', '"\uffff"', '"\U0010ffff"', '"\u200b\u202e"', '"e\u0301"'],
    ),
    **_named("escape", [f'"\\{letter}"' for letter in '"\\/bfnrt']),
    **_named(
        "escape by number",
        [r'"\u0041"', r'"\u00e9"', r'"\u00E9"', r'"\u20ac"', r'"\uFFFF"', r'"\uffff"', r'"\u0020"',
         r'"\u001f"', r'"\u0001"', r'"\u007f"', r'"\u2028"', r'"\u0022"', r'"\u005c"', r'"\ufeff"',
         r'"\u005cu0000"', r'"\\u0000"', r'"a\u0062c"', r'"\uAbCd"', r'"\\\\u0041"'],
    ),
    **_named(
        "surrogate pair",
        [r'"\ud83e\udd89"', r'"\uD83E\uDD89"', r'"\ud800\udc00"', r'"\udbff\udfff"',
         r'"a\ud83e\udd89b\ud83e\udd89"', r'{"\ud83e\udd89":1}'],
    ),
    **_named(
        "NUL by number",
        [r'"\u0000"', r'"a\u0000b"', r'{"\u0000":1}', r'[{"a":["\u0000"]}]', r'"\u0000\u0000"'],
    ),
    **_named(
        "list",
        ["[1]", "[null]", "[1,null,true]", "[1,[2,[3]]]", '["a","b"]', "[[]]", "[{}]", "[1,{}]",
         "[" + ",".join(["0"] * 1000) + "]", "[\r1\r,\r2\r]", ' [ "a" ] '],
    ),
    **_named(
        "object",
        ['{"a":1}', '{"a":1,"b":2}', '{"a":{"b":{}}}', '{"":0}', '{" ":0}', '{"a":[1]}',
         '{"é":"ü"}', '{"__proto__":{"a":1}}', '{"constructor":null}', '{"$where":"1"}',
         '{ "a" : 1 , "b" : [ ] }', '{"a\\nb":1}', '{"a":1,"A":2}', '{"1":1}', '{"\\u0061":1}',
         "{" + ",".join(f'"{n}":{n}' for n in range(1000)) + "}"],
    ),
    **_named(
        "duplicate key",
        ['{"a":1,"a":2}', '{"a":1,"a":1}', '{"a":{},"b":0,"a":[]}', r'{"a":1,"\u0061":2}',
         '{"":1,"":2}', '{"a":{"b":1,"b":2}}'],
    ),
    **_named(
        "depth",
        [shape(levels) for levels in (29, 30) for shape in (_lists, _objects, _mixed)],
    ),
    **_named(
        "depth beyond ours",
        [shape(levels) for levels in (31, 32, 33, 500) for shape in (_lists, _objects, _mixed)]
        + [_lists(1_000), _objects(1_000), _lists(1_025), _lists(20_000), _objects(5_000)],
    ),
}  # fmt: skip

NOT_JSON: Texts = {
    **_named("nothing", ["", " ", "\n", "\t\r\n "]),
    **_named("word", ["nul", "nulll", "tru", "True", "FALSE", "None", "undefined", "yes",
         "truefalse"]),
    **_named("no number", ["NaN", "-NaN", "nan", "Infinity", "-Infinity", "+Infinity", "inf",
         "[NaN]"]),
    **_named(
        "number",
        ["+1", "01", "-01", "00", "-", "+", "--1", "1-", ".5", "-.5", "1.", "-1.", "1.e1", "1..2",
         "1.2.3", "1e", "1E+", "1e+-2", "1ee2", "1e1.5", "1e1e1", "0x10", "0b1", "0o7", "1_000",
         "1,000", "1 000", "1f", "1L", "1n", "\u0663", "\uff11", "½", "2.0.", "e5", ".e1", "0x",
         "- 1", "0 .5"],
    ),
    **_named(
        "text",
        ['"', '"a', 'a"', "'a'", "a", "`a`", '"a""b"', '"a" "b"', '"\\"', '"\\\\\\"', '“a”', '""a"',
         '"a"b', 'a"b"'],
    ),
    **_named("raw control", [f'"a{chr(code)}b"' for code in range(32)]),
    **_named(
        "escape",
        [f'"\\{letter}"' for letter in "aveU0x'1 (#A"] + ['"\\\n"', '"\\\N{OWL}"']
        + [r'"\u"', r'"\u1"', r'"\u12"', r'"\u123"', r'"\u12g4"', r'"\u-123"', r'"\u+123"',
         r'"\u 123"', r'"\u{41}"', r'"\U0001f989"', r'"\x41"', r'"\u00_1"'],
    ),
    **_named(
        "list",
        ["[", "]", "[1", "1]", "[1,", "[,", "[,1]", "[1,]", "[1,,2]", "[1 2]", "[1;2]", "[1:2]",
         "[1}", "[[1]", "[1]]", "[a]", "[1,\n", '["a', "[,]", "[...]", "[1]x", "(1)", "<1>"],
    ),
    **_named(
        "object",
        ["{", "}", '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', "{,}", '{,"a":1}', '{"a"}',
         '{"a" 1}', '{"a"=1}', '{"a"::1}', '{a:1}', "{'a':1}", "{1:1}", "{null:1}", '{"a":1 "b":2}',
         '{"a":1;"b":2}', '{"a":1]', '{"a":1,,"b":2}', '{"a":}', '{:1}', '{"a","b"}', '{"a":a}',
         '{"a":1}}', '{{"a":1}}', '{[]:1}', '{"a":1,"b"}', '{"a":1...}'],
    ),
    **_named(
        "comment",
        ["1//", "//1\n1", "/**/1", "1/**/", "#\n1", '{"a":/**/1}', "[1,/*2*/3]", "<!--1-->",
         "1--1"],
    ),
    **_named(
        "more than one",
        ["1 2", "{}{}", "[][]", '"a""b"', "null null", "{} x", "[1]\n[2]", "1\x00", "{}\x00",
         ",1", "1,"],
    ),
    **_named(
        "white space",
        [f"{blank}1" for blank in ("\v", "\f", "\x00", "\x85", "\xa0", "\u2003", "\u2028",
         "\u3000")]
        + ["[\u20601]", "[1\v]", "[\x0c]", "\\n1", "\x1b[0m1"],
    ),
    **_named(
        "not UTF-8",
        [b"\xff", b"\xfe\xff", b'"\xe9"', b'"\xff"', b'"\x80"', b'"a\xc3"', b'"\xe2\x82"',
         b'"\xf0\x9f"',
         b'"\xc0\x80"', b'"\xc0\xaf"', b'"\xe0\x80\x80"', b'"\xf0\x80\x80\x80"', b'"\xed\xa0\x80"',
         b'"\xed\xb0\x80"', b'"\xed\xa0\xbe\xed\xb6\x89"', b'"\xf4\x90\x80\x80"',
         b'"\xf8\x88\x80\x80\x80"',
         b'"\xfc\x80\x80\x80\x80\x80"', b'{"\xff":1}', b'[1\xff]', b"1\xe5", b'"\xc3\x28"',
         b'"\\u00\xe9"'],
    ),
    **_named(
        "other encoding",
        ['{"a":1}'.encode(name) for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32",
         "utf-32-le")]
        + ['"é"'.encode(name) for name in ("latin-1", "cp1252", "utf-16", "cp437")]
        + [b"+ACI-a+ACI-", '{"a":1}'.encode("cp037")],
    ),
    **_named(
        "depth",
        ["[" * 100, "[" * 1_000, '{"a":' * 1_000, "[" * 20_000, "]" * 1_000, _lists(1_000) + "]",
         '[{"":' * 2_000, _lists(40, ","), "{" * 500],
    ),
    **_named("markup", ["<a/>", "a=1", "a: 1", "- a", "%7B%7D",
         "--x\r\nContent-Disposition: y\r\n\r\n{}"]),
}  # fmt: skip

MAY_BE: Texts = {
    # RFC 8259, section 8.1: a parser may ignore a byte order mark.
    **_named("byte order mark", [codecs.BOM_UTF8 + text for text in (b"{}", b"1", b'"a"', b"")]),
    # Section 8.2: what half a pair means is open.
    **_named(
        "half a pair",
        [r'"\ud800"', r'"\udc00"', r'"\udbff"', r'"\udfff"', r'"\ud800a"', r'"\ud800\ud800"',
         r'"\udc00\ud800"', r'"\ud800\u0041"', r'"\ud800\n"', r'{"\ud800":1}', r'"a\udfffb"'],
    ),
    # Section 6: so is the range of numbers.
    **_named(
        "number out of range",
        ["1e400", "-1e400", "1e131071", "1.8e308", "1e-400", "-1e-400", "1e99999999999999999999",
         "0e99999999999999999999", "1e-99999999999999999999", "0." + "0" * 400 + "1"],
    ),
}  # fmt: skip

ALL = {
    **{f"is JSON: {name}": text for name, text in IS_JSON.items()},
    **{f"is not: {name}": text for name, text in NOT_JSON.items()},
    **{f"may be: {name}": text for name, text in MAY_BE.items()},
}
