"""XML read as a stream of tags, with no entity of its own and nothing fetched: text between tags is thrown away."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn
from xml.parsers import expat

from git_hone.learner.errors import DataError

MAX_DEPTH = 500


def walk(data: bytes, form: str, start: Callable[[str, dict[str, str]], None], end: Callable[[str], None] | None = None) -> None:
    """Call `start(tag, attributes)` and `end(tag)` for each element; tags without namespace prefixes.

    Raises DataError, with line and column, for XML that is not well-formed, that declares entities (a "billion laughs"
    must not be answered), or that nests deeper than MAX_DEPTH. A DOCTYPE without declarations, as Cobertura has, is fine.
    """
    parser = expat.ParserCreate()
    depth = 0

    def refuse(*_: object) -> NoReturn:
        raise DataError(f"{form}: line {parser.CurrentLineNumber}: declares entities, which are refused")

    def opened(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise DataError(f"{form}: line {parser.CurrentLineNumber}: nested deeper than {MAX_DEPTH}")
        start(tag.rpartition(":")[2], attributes)

    def closed(tag: str) -> None:
        nonlocal depth
        depth -= 1
        if end:
            end(tag.rpartition(":")[2])

    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = opened
    parser.EndElementHandler = closed
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        words = expat.errors.messages.get(error.code, "not well-formed")
        raise DataError(
            f"{form}: line {error.lineno} column {error.offset + 1} (byte {max(0, parser.ErrorByteIndex)}): {words}"
        ) from error
    except (ValueError, LookupError) as error:  # an encoding that expat or Python does not know
        raise DataError(f"{form}: line {parser.CurrentLineNumber}: {error}") from error
