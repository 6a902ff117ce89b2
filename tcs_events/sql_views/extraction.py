"""How each database reads a typed property from the JSON of a payload.

No expression ever fails: a view that cannot be read because of one row would be worse than none. So
every conversion is guarded by a condition, and a value that does not meet it is NULL.
"""

from __future__ import annotations

import json
import re

from sqlalchemy import Dialect

from tcs_events.database import mysql
from tcs_events.sql_views.columns import Kind
from tcs_events.strict_json import MAX_NUMBER

_PLAIN = re.compile(r"[A-Za-z0-9_ .:-]+", re.ASCII)
_DATE = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
_NUMBER = "^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]{1,3})?$"
_FLOATS = "({0} = 0 OR {0} BETWEEN 1e-300 AND 1e300 OR {0} BETWEEN -1e300 AND -1e-300)"
"""The range of a float. Beyond it, a cast of PostgreSQL fails."""
_DECIMALS = "{0} BETWEEN -1e40 AND 1e40"
"""The range of a decimal, which the largest type of MariaDB sets."""
_INTEGERS = f"{{0}} BETWEEN -{MAX_NUMBER} AND {MAX_NUMBER}"
MAX_DIGITS = 200
"""A longer text is not read as a number."""


def extraction(dialect: Dialect, payload: str, key: str, kind: Kind) -> str:
    """Return the SQL of a property.

    Args:
        dialect: that of the database.
        payload: the SQL of the column of the payload.
        key: the name of the property.
        kind: what the result is to be.
    """
    if dialect.name == "postgresql":
        return _postgresql(payload, key, kind)
    return _mysql(payload, key, kind) if mysql.is_mysql(dialect) else _sqlite(payload, key, kind)


def quoted(dialect: Dialect, name: str) -> str:
    """Return a name in quotes. SQLAlchemy would double each "%" in it for some drivers."""
    preparer = dialect.identifier_preparer
    start, end = preparer.initial_quote, preparer.final_quote
    return start + name.replace(end, end * 2) + end


def literal(dialect: Dialect, text: str) -> str:
    """Return a text as an SQL literal, whatever characters are special to the server."""
    if mysql.is_mysql(dialect) and not _PLAIN.fullmatch(text):
        # A backslash may be an escape or not, and the connection may have any character set.
        return f"CONVERT(X'{text.encode().hex()}' USING {mysql.CHARSET})"
    return "'" + text.replace("'", "''") + "'"


def _postgresql(payload: str, key: str, kind: Kind) -> str:
    name = "'" + key.replace("'", "''") + "'"
    json_value, text = f"({payload} -> {name})", f"({payload} ->> {name})"
    json_type = f"jsonb_typeof{json_value}"
    is_number = f"{json_type} = 'number'"
    number = f"{text}::numeric"
    match kind:
        case Kind.TEXT:
            return text
        case Kind.INTEGER:
            return (
                f"CASE WHEN {is_number} THEN CASE WHEN {_INTEGERS.format(number)}"
                f" AND {number} = trunc({number}) THEN {number}::bigint END END"
            )
        case Kind.FLOAT:
            return (
                f"CASE WHEN {is_number} THEN CASE WHEN {_FLOATS.format(number)}"
                f" THEN {number}::double precision END END"
            )
        case Kind.DECIMAL:
            return (
                f"CASE WHEN {is_number} OR ({json_type} = 'string'"
                f" AND length({text}) <= {MAX_DIGITS} AND {text} ~ '{_NUMBER}')"
                f" THEN CASE WHEN {_DECIMALS.format(number)} THEN {number} END END"
            )
        case Kind.BOOLEAN:
            return f"CASE WHEN {json_type} = 'boolean' THEN {text}::boolean END"
        case Kind.DATE:
            # 2026-02-30 cannot be cast, so the days are added to the first of the month.
            found = f"((left({text}, 8) || '01')::date + (right({text}, 2)::integer - 1))"
            return (
                f"CASE WHEN {text} ~ '{_DATE}' AND {text} >= '0001'"
                f" THEN CASE WHEN extract(month FROM {found}) = substr({text}, 6, 2)::integer"
                f" THEN {found} END END"
            )


def _sqlite(payload: str, key: str, kind: Kind) -> str:
    # The host's own code may have stored what is not JSON, and json_extract fails on it.
    checked = f"CASE WHEN json_valid({payload}) THEN {payload} END"
    if _PLAIN.fullmatch(key):
        value = f"""json_extract({checked}, '$."{key}"')"""
        json_type = f"""json_type({checked}, '$."{key}"')"""
    else:
        # A path cannot name every key. Some versions give the keys as they are escaped in JSON.
        spellings = {key, json.dumps(key, ensure_ascii=False)[1:-1]}
        names = ", ".join("'" + each.replace("'", "''") + "'" for each in sorted(spellings))
        source = f"FROM json_each({checked}) AS item WHERE item.key IN ({names}) LIMIT 1)"
        value, json_type = f"(SELECT item.value {source}", f"(SELECT item.type {source}"
    match kind:
        case Kind.TEXT:
            # Half of a surrogate pair becomes a text that is not UTF-8, at which Python's driver
            # fails. SQLite reads it as U+FFFD where it compares characters, but not bytes.
            is_half = (
                f"{payload} GLOB '*\\u[dD][89a-fA-F]*'"
                f" AND replace({value}, char(65533), '') GLOB '*' || char(65533) || '*'"
            )
            return (
                f"CASE {json_type} WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'"
                f" WHEN 'text' THEN CASE WHEN NOT ({is_half}) THEN {value} END"
                f" ELSE CAST({value} AS TEXT) END"
            )
        case Kind.INTEGER:
            return (
                f"CASE WHEN {json_type} IN ('integer', 'real') AND {_INTEGERS.format(value)}"
                f" AND {value} = CAST({value} AS INTEGER) THEN CAST({value} AS INTEGER) END"
            )
        case Kind.FLOAT:
            return (
                f"CASE WHEN {json_type} IN ('integer', 'real') AND {_FLOATS.format(value)}"
                f" THEN CAST({value} AS REAL) END"
            )
        case Kind.DECIMAL:
            # The text of a number is a JSON document of its own.
            number = f"CAST({value} AS NUMERIC)"
            return (
                f"CASE WHEN {json_type} IN ('integer', 'real') OR ({json_type} = 'text'"
                f" AND length({value}) <= {MAX_DIGITS} AND {value} NOT GLOB '*[^0-9.eE+-]*'"
                f" AND CASE WHEN json_valid({value}) THEN json_type({value}) IN"
                f" ('integer', 'real') END) THEN CASE WHEN {_DECIMALS.format(number)}"
                f" THEN {number} END END"
            )
        case Kind.BOOLEAN:
            return f"CASE {json_type} WHEN 'true' THEN 1 WHEN 'false' THEN 0 END"
        case Kind.DATE:
            # Without the modifier, 2026-02-30 is a date.
            return (
                f"CASE WHEN {json_type} = 'text' THEN CASE WHEN date({value}, '+0 days') = {value}"
                f" AND {value} >= '0001' THEN {value} END END"
            )


def _mysql(payload: str, key: str, kind: Kind) -> str:
    if _PLAIN.fullmatch(key):
        found = f"""JSON_EXTRACT({payload}, '$."{key}"')"""
    else:
        # MariaDB compares the path with the JSON as it is written. The host's own code may have
        # escaped letters that the endpoint leaves as they are.
        spellings = dict.fromkeys(json.dumps(key, ensure_ascii=each) for each in (False, True))
        paths = (f"X'{f'$.{spelling}'.encode().hex()}'" for spelling in spellings)
        parts = [
            f"JSON_EXTRACT({payload}, CONVERT({each} USING {mysql.CHARSET}))" for each in paths
        ]
        found = parts[0] if len(parts) == 1 else f"COALESCE({', '.join(parts)})"
    text, json_type = f"JSON_UNQUOTE({found})", f"JSON_TYPE({found})"
    is_number = f"{json_type} IN ('INTEGER', 'DOUBLE', 'DECIMAL', 'UNSIGNED INTEGER')"
    number = f"CAST({text} AS DOUBLE)"
    match kind:
        case Kind.TEXT:
            return f"CASE WHEN {json_type} <> 'NULL' THEN {text} END"
        case Kind.INTEGER:
            return (
                f"CASE WHEN {is_number} AND {_INTEGERS.format(number)}"
                f" AND {number} = TRUNCATE({number}, 0) THEN CAST({number} AS SIGNED) END"
            )
        case Kind.FLOAT:
            return f"CASE WHEN {is_number} AND {_FLOATS.format(number)} THEN {number} END"
        case Kind.DECIMAL:
            # "$" of a pattern also matches before a line break at the end.
            return (
                f"CASE WHEN ({is_number} OR ({json_type} = 'STRING'"
                f" AND LENGTH({text}) <= {MAX_DIGITS} AND {text} REGEXP '{_NUMBER}'"
                f" AND {text} NOT REGEXP '[^0-9.eE+-]')) AND {_DECIMALS.format(number)}"
                f" THEN CAST({text} AS DECIMAL(65, 20)) END"
            )
        case Kind.BOOLEAN:
            return f"CASE WHEN {json_type} = 'BOOLEAN' THEN {text} = 'true' END"
        case Kind.DATE:
            return (
                f"CASE WHEN {json_type} = 'STRING' AND {text} REGEXP '{_DATE}'"
                f" AND LENGTH({text}) = 10 AND {text} >= '0001' THEN CAST({text} AS DATE) END"
            )
