"""The catalogue: which providers there are, and which of Composio's toolkits belong to each."""

from __future__ import annotations

import tomllib
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from .errors import CatalogError, UnknownProviderError


def _printable(text: str) -> str:
    # A line break or an invisible character would break a line of an embed, or a select option.
    if not text.isprintable():
        raise ValueError("it must be one line of visible characters")
    return text


_Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=50)]
_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_printable)]
_Line = Annotated[_Text, Field(max_length=200)]
_Name = Annotated[_Text, Field(max_length=50)]


class Provider(BaseModel):
    """One app: what people call it, why the bot wants it, and its toolkits at Composio.

    ``id`` is stored and typed in commands. ``toolkits`` are Composio's slugs, by default the id itself.
    ``steps`` are further how-to lines, shown between the common ones. Lengths are bounded so that a line
    always fits Discord's limits for a field (1,024), a select option (100) and a custom id (100).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: _Id
    label: _Name
    category: _Name
    description: _Line
    required: StrictBool = False
    # Never empty: asked without a toolkit, Composio returns the accounts of all.
    toolkits: tuple[_Id, ...] = Field(default=(), min_length=1)
    steps: tuple[_Line, ...] = Field(default=(), max_length=8)

    @model_validator(mode="before")
    @classmethod
    def _toolkit_defaults_to_id(cls, data: object) -> object:
        if isinstance(data, dict) and "id" in data:
            return {"toolkits": (data["id"],), **data}
        return data


@dataclass(frozen=True)
class Catalog:
    """The providers in the order in which they are shown. Raises `CatalogError` when two overlap."""

    providers: tuple[Provider, ...]

    def __post_init__(self) -> None:
        """Refuse what could not be told apart later."""
        if not self.providers:
            raise CatalogError("it names no provider; add at least one [[provider]]")
        _refuse_overlap(self.providers)

    @cached_property
    def by_id(self) -> dict[str, Provider]:
        """Every provider by its id."""
        return {provider.id: provider for provider in self.providers}

    @cached_property
    def by_toolkit(self) -> dict[str, Provider]:
        """Every provider by each of its toolkits' slugs."""
        return {slug: provider for provider in self.providers for slug in provider.toolkits}

    @cached_property
    def categories(self) -> dict[str, tuple[Provider, ...]]:
        """The providers by category, both in catalogue order."""
        names = dict.fromkeys(provider.category for provider in self.providers)
        return {name: tuple(p for p in self.providers if p.category == name) for name in names}

    def find(self, text: str) -> Provider:
        """The provider whose id or label is *text*, in any case.

        Raises `UnknownProviderError` with the labels that come closest.
        """
        wanted = text.strip().casefold()
        for provider in self.providers:
            if wanted in (provider.id.casefold(), provider.label.casefold()):
                return provider
        names = {name.casefold(): p.label for p in self.providers for name in (p.id, p.label)}
        closest = (names[name] for name in get_close_matches(wanted, names, n=5, cutoff=0.5))
        raise UnknownProviderError(text.strip(), tuple(dict.fromkeys(closest))[:3])

    def matching(self, text: str) -> list[Provider]:
        """The providers whose id, label or category contains *text*; those that begin with it come first."""
        wanted = text.strip().casefold()
        ranked = [(_rank(provider, wanted), provider) for provider in self.providers]
        return [provider for rank, provider in sorted(ranked, key=lambda pair: pair[0]) if rank < _NO_MATCH]


_NO_MATCH = 3


def _rank(provider: Provider, wanted: str) -> int:
    names = (provider.label.casefold(), provider.id.casefold())
    if any(name.startswith(wanted) for name in names):
        return 0
    if any(wanted in name for name in names):
        return 1
    return 2 if wanted in provider.category.casefold() else _NO_MATCH


_Location = tuple[str | int, ...]


class _OverlapError(CatalogError):
    """*provider* has something, at *key*, that an earlier one has."""

    def __init__(self, message: str, provider: Provider, key: _Location) -> None:
        super().__init__(message)
        self.provider = provider
        self.key = key


def _refuse_overlap(providers: Sequence[Provider]) -> None:
    owners: dict[tuple[str, str], Provider] = {}
    for provider in providers:
        mine: list[tuple[str, str, _Location]] = [
            ("id or label", provider.id, ("id",)),
            ("id or label", provider.label.casefold(), ("label",)),
            *(("toolkit", slug, ("toolkits", number)) for number, slug in enumerate(provider.toolkits)),
        ]
        for what, name, key in mine:
            owner = owners.setdefault((what, name), provider)
            if owner is not provider:
                raise _OverlapError(f"the {what} {name!r} is taken already, by {owner.label!r}", provider, key)


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
    except _OverlapError as error:
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
    _refuse_overlap((*(one for one in DEFAULT.providers if one.id not in given), *file.provider))
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
    "tuple_type": "it must be a list in square brackets",
}


def _why(error: ErrorDetails) -> str:
    names = [part for part in error["loc"] if isinstance(part, str)]
    if names == ["provider"]:
        return "provider: each provider is a table of its own, under [[provider]]"
    reason = error["msg"].removeprefix("Value error, ")
    if error["type"] in _WHY:
        reason = _WHY[error["type"]].format(**error.get("ctx", {}))
    return f"{'.'.join(names[1:]) or names[0]}: {reason}"


# What may still be open in the middle of a value that takes several lines.
_CLOSINGS = ("", "]", "]}]", "}]", '"""', "'''")


def _line(text: str, location: _Location) -> int:
    """The line of the value at *location*, or of what it is missing from, counted from 1.

    The parser keeps no lines: it is the last line of the shortest beginning of the file that has the value.
    """
    lines = text.split("\n")
    while location and not _has(lines, location):
        location = location[:-1]
    return bisect_left(range(1, len(lines)), True, key=lambda count: _has(lines[:count], location)) + 1


def _has(lines: Sequence[str], location: _Location) -> bool:
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


def _provider(label: str, category: str, description: str, id_: str = "", *more: str) -> Provider:
    slug = id_ or label.lower().replace(" ", "")
    return Provider(
        id=slug,
        label=label,
        category=category,
        description=description,
        required=category == "Required",
        toolkits=(slug, *more),
    )


DEFAULT = Catalog(
    (
        _provider("Gmail", "Required", "Required for email processing and notifications"),
        _provider("Google Docs", "Documents", "Needed to read, create, and edit Google Documents"),
        _provider("Google Sheets", "Documents", "Needed for spreadsheet data processing"),
        # Composio's slug has no underscore; the original design wrote one.
        _provider(
            "Google Drive",
            "Documents",
            "Required for file storage and retrieval",
            "google_drive",
            "googledrive",
        ),
        _provider("Google Calendar", "Scheduling", "Needed for scheduling and calendar events"),
        _provider("GitHub", "Development", "Required for code repository management"),
        _provider("Notion", "Productivity", "Needed to read and write pages and databases"),
        _provider("Linear", "Productivity", "Needed to read and write issues and projects"),
    )
)
