"""What a column is in Parquet, in DuckDB and in Python, and the way from one row to another.

Every segment is written and read with the schema built here from `git_hone.learner.tables`, never with the schema of
whichever file comes first: engines that guess turned 1.5 into 2 and lost a column that was added later.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from git_hone.learner.errors import DataError
from git_hone.learner.tables import COMMON, TABLES, Table

EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
DUCKDB: Final = {"str": "VARCHAR", "int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN",
                 "ts": "TIMESTAMPTZ", "strs": "VARCHAR[]", "json": "VARCHAR"}  # fmt: skip
ENCODED: Final = {"str": "str", "int": "int", "float": "float", "bool": "bool", "ts": "datetime with a time zone",
                  "strs": "list of str", "json": "JSON text or a JSON value"}  # fmt: skip


def table_named(name: str) -> Table:
    """The table of that name. Raises DataError, naming the tables there are, for another."""
    try:
        return TABLES[name]
    except KeyError:
        raise DataError(f"{name}: no such table", tip=f"the tables are {', '.join(TABLES)}") from None


def columns_of(table: Table) -> dict[str, str]:
    """All columns of a table with their types: the common ones first."""
    return {**COMMON, **table.columns}


def arrow_type(kind: str) -> Any:
    """The Arrow type of one of our column types."""
    import pyarrow as pa

    types = {"str": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(),
             "ts": pa.timestamp("us", "UTC"), "strs": pa.list_(pa.string()), "json": pa.string()}  # fmt: skip
    return types[kind]


def arrow_schema(table: Table, metadata: Mapping[str, str]) -> Any:
    """The explicit Arrow schema of a table."""
    import pyarrow as pa

    return pa.schema([pa.field(name, arrow_type(kind)) for name, kind in columns_of(table).items()], metadata=dict(metadata))


def fits(kind: str, stored: Any) -> bool:
    """Whether a stored Arrow type can be read as one of ours without a loss: an int where a float is wanted, a narrower
    int, another spelling of text or time, or a column of nulls."""
    import pyarrow.types as t

    if t.is_null(stored):
        return True
    if t.is_dictionary(stored):
        stored = stored.value_type
    if kind == "strs":
        return (t.is_list(stored) or t.is_large_list(stored)) and fits("str", stored.value_type)
    if kind in {"str", "json"}:
        return bool(t.is_string(stored) or t.is_large_string(stored))
    if kind == "ts":
        return bool(t.is_timestamp(stored))
    if kind == "bool":
        return bool(t.is_boolean(stored))
    whole = bool(t.is_integer(stored)) and not t.is_uint64(stored)
    return whole or (kind == "float" and bool(t.is_floating(stored)))


def encode_rows(table: Table, rows: Sequence[Mapping[str, object]]) -> list[dict[str, Any]]:
    """Rows as they go into Parquet: each column present, in its type; ts as microseconds since 1970.

    Missing columns become null. Text that is not valid Unicode (bytes of a path that git handed through) keeps its odd bytes as
    `\\udcXX`; inside JSON these survive the way back, in a plain str they stay spelled out.
    Raises DataError, naming table, row and column, for an unknown column, a wrong type, a missing record_id or
    recorded_at, or a row without its key.
    """
    columns = columns_of(table)
    encoded = []
    for number, row in enumerate(rows):
        unknown = [name for name in row if name not in columns]
        if unknown:
            raise DataError(f"{table.name}, row {number}: unknown column {unknown[0]!r}", tip=f"columns: {', '.join(columns)}")
        out: dict[str, Any] = {}
        for name, kind in columns.items():
            value = row.get(name)
            try:
                out[name] = None if value is None else ENCODE[kind](value)
            except (TypeError, ValueError, OverflowError, RecursionError) as error:
                shown = repr(value) if len(repr(value)) < 60 else f"{repr(value)[:57]}..."
                raise DataError(
                    f"{table.name}, row {number}, column {name}: {shown} is not a {ENCODED[kind]} ({error})"
                ) from error
        for name in ("record_id", "recorded_at", table.key[0]):
            if out[name] is None:
                raise DataError(f"{table.name}, row {number}, column {name}: is missing")
        encoded.append(out)
    return encoded


def month_of(table: Table, encoded: Mapping[str, Any]) -> str:
    """The UTC month, YYYY-MM, that an encoded row is filed under; by recorded_at where the month column is null."""
    micros = encoded[table.month] if encoded[table.month] is not None else encoded["recorded_at"]
    at = from_micros(micros)
    return f"{at.year:04d}-{at.month:02d}"


def from_micros(micros: int) -> datetime:
    """The aware UTC datetime of so many microseconds since 1970."""
    return EPOCH + timedelta(microseconds=micros)


def to_micros(at: object) -> int:
    """Microseconds since 1970. Raises ValueError for a datetime without a zone: nobody knows which instant that is."""
    if not isinstance(at, datetime):
        raise TypeError(f"a {type(at).__name__}")
    if at.utcoffset() is None:
        raise ValueError("no time zone")
    return (at - EPOCH) // timedelta(microseconds=1)


def _str(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__}")
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _int(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"a {type(value).__name__}")
    if not -(2**63) <= value < 2**63:
        raise OverflowError("more than 64 bits")
    return value


def _float(value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"a {type(value).__name__}")
    if not math.isfinite(value):
        raise ValueError("not a finite number; unknown is null")
    return float(value)


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"a {type(value).__name__}")
    return value


def _strs(value: object) -> list[str]:
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"a {type(value).__name__}")
    return [_str(item) for item in value]


def _json(value: object) -> str | None:
    parsed = json.loads(value) if isinstance(value, str) else value
    if parsed is None:
        return None
    return json.dumps(parsed, sort_keys=True, separators=(",", ":"), allow_nan=False)


ENCODE: Final[dict[str, Callable[[object], Any]]] = {"str": _str, "int": _int, "float": _float, "bool": _bool,
                                                     "ts": to_micros, "strs": _strs, "json": _json}  # fmt: skip
DECODE: Final[dict[str, Callable[[Any], object]]] = {"ts": from_micros, "json": json.loads}
"""How a value that DuckDB hands out (ts as microseconds) becomes the Python value; other types are that value already."""
