"""The catalogue of a TOML file, or one sentence that says which line is wrong, and why."""

from __future__ import annotations

import tomllib
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, StrictBool, ValidationError
from pydantic_core import ErrorDetails

from .catalog import DEFAULT, Catalog, Location, OverlapError, Provider, refuse_overlap
from .errors import CatalogError


class _File(BaseModel):
    """``extend = true`` adds to the built-in catalogue (or replaces single ids); otherwise it is replaced."""

    model_config = ConfigDict(extra="forbid")

    extend: StrictBool = False
    provider: tuple[Provider, ...] = ()


def load(path: Path | None) -> Catalog:
    """The built-in catalogue, or the one of the TOML file at *path*.

    Raises `CatalogError` that names the file, the line where it can be told, and the reason.
    """
    if path is None:
        return DEFAULT
    text = _text(path)
    try:
        file = _File.model_validate(tomllib.loads(text))
        return _merged(file)
    except tomllib.TOMLDecodeError as error:
        raise CatalogError(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise CatalogError(f"{path}, line {_line(text, first['loc'])}: {_why(first)}") from error
    except OverlapError as error:
        index = next(number for number, one in enumerate(file.provider) if one is error.provider)
        line = _line(text, ("provider", index, *error.key))
        raise CatalogError(f"{path}, line {line}: {error}") from error
    except CatalogError as error:
        raise CatalogError(f"{path}: {error}") from error


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise CatalogError(f"{path}: it cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CatalogError(f"{path}, line {line}: it is not UTF-8") from error


def _merged(file: _File) -> Catalog:
    if not file.extend:
        return Catalog(file.provider)
    given = {provider.id: provider for provider in file.provider}
    # The file's own come last here, so that what is refused is in the file, and its line can be told.
    refuse_overlap((*(one for one in DEFAULT.providers if one.id not in given), *file.provider))
    kept = tuple(given.pop(provider.id, provider) for provider in DEFAULT.providers)
    return Catalog(kept + tuple(given.values()))


_WHY = {
    "missing": "it is missing",
    "extra_forbidden": "there is no such key",
    "bool_type": "it must be true or false",
    "string_type": "it must be a text in quotes",
    "string_too_long": "it is too long, {max_length} characters at most",
    "string_too_short": "it is empty",
    "string_pattern_mismatch": "it must be small letters, digits, - and _, and begin with a letter or a digit",
    "too_long": "it is too long, {max_length} at most",
    "too_short": "it is empty",
    "literal_error": "it must be {expected}",
    "tuple_type": "it must be a list in square brackets",
}


def _why(error: ErrorDetails) -> str:
    names = [part for part in error["loc"] if isinstance(part, str)]
    reason = error["msg"].removeprefix("Value error, ")
    if names == ["provider"]:
        # What is wrong with a provider as a whole says so itself.
        table = "provider: each provider is a table of its own, under [[provider]]"
        return reason if error["type"] == "value_error" else table
    if error["type"] in _WHY:
        reason = _WHY[error["type"]].format(**error.get("ctx", {}))
    return f"{'.'.join(names[1:]) or names[0]}: {reason}"


# What may still be open in the middle of a value that takes several lines.
_CLOSINGS = ("", "]", "]}]", "}]", '"""', "'''")


def _line(text: str, location: Location) -> int:
    """The line of the value at *location*, or of what it is missing from, counted from 1.

    The parser keeps no lines, and one of our own would be a second TOML: so it is the last line of the shortest
    beginning of the file in which the parser finds the value.
    """
    lines = text.split("\n")
    while location and not _has(lines, location):
        location = location[:-1]
    return bisect_left(range(1, len(lines)), True, key=lambda count: _has(lines[:count], location)) + 1


def _has(lines: Sequence[str], location: Location) -> bool:
    value: Any = _beginning(lines)
    try:
        for part in location:
            value = value[part]
    except (KeyError, IndexError, TypeError):
        return False
    return True


def _beginning(lines: Sequence[str]) -> dict[str, Any]:
    """What the parser makes of *lines*, or of as many of them as it can make something of."""
    for count in range(len(lines), 0, -1):
        for closing in _CLOSINGS:
            with suppress(tomllib.TOMLDecodeError):
                return tomllib.loads("\n".join([*lines[:count], closing]))
    return {}
