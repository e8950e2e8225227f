"""The catalogue: which providers there are, and which of Composio's toolkits belong to each."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from .errors import CatalogError, UnknownProviderError

_Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=50)]
_Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
_Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]


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
    required: bool = False
    toolkits: tuple[_Id, ...] = ()
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
        _refuse_twice("id or label", (name for p in self.providers for name in {p.id, p.label.casefold()}))
        _refuse_twice("toolkit", (slug for p in self.providers for slug in set(p.toolkits)))

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


def _refuse_twice(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise CatalogError(f"the {what} {name!r} appears twice; every {what} belongs to one provider")
        seen.add(name)


class _File(BaseModel):
    """``extend = true`` adds to the built-in catalogue (or replaces single ids); otherwise it is replaced."""

    model_config = ConfigDict(extra="forbid")

    extend: bool = False
    provider: tuple[Provider, ...] = ()


def load(path: Path | None) -> Catalog:
    """The built-in catalogue, or the one of the TOML file at *path*.

    Raises `CatalogError` that names the file, the line where it can be told, and the reason.
    """
    if path is None:
        return DEFAULT
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path}: it cannot be read ({error})") from error
    try:
        return _merged(_File.model_validate(tomllib.loads(text)))
    except tomllib.TOMLDecodeError as error:
        raise CatalogError(f"{path}: {error}") from error
    except ValidationError as error:
        raise CatalogError(f"{path}{_where(text, error)}: {_why(error)}") from error
    except CatalogError as error:
        raise CatalogError(f"{path}: {error}") from error


def _merged(file: _File) -> Catalog:
    if not file.extend:
        return Catalog(file.provider)
    replaced = {provider.id: provider for provider in file.provider}
    kept = tuple(replaced.pop(provider.id, provider) for provider in DEFAULT.providers)
    added = tuple(provider for provider in file.provider if provider.id in replaced)
    return Catalog(kept + added)


def _why(error: ValidationError) -> str:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if isinstance(part, str) and part != "provider")
    return f"{field or 'the file'}: {first['msg']}"


def _where(text: str, error: ValidationError) -> str:
    """The line of the field that is wrong, or of its ``[[provider]]`` header; TOML parsers keep no lines."""
    location = error.errors()[0]["loc"]
    lines = text.splitlines()
    start, end = 0, len(lines)
    if len(location) > 1 and isinstance(location[1], int):
        headers = [number for number, line in enumerate(lines) if line.strip() == "[[provider]]"]
        if location[1] >= len(headers):
            return ""
        start = headers[location[1]]
        end = next((number for number in headers if number > start), len(lines))
    names = [part for part in location if isinstance(part, str)]
    for number in range(start, end):
        if lines[number].split("=")[0].strip() == names[-1]:
            return f", line {number + 1}"
    return f", line {start + 1}"


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
