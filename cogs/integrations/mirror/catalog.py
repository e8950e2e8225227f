"""The catalogue: which providers there are, and which of Composio's toolkits belong to each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from hashlib import blake2b
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    model_validator,
)

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


# The original design wrote it so; Composio's slug has no underscore.
_NOT_COMPOSIOS = frozenset({"google_drive"})


def _https(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or text.split() != [text]:
        raise ValueError("it must be an address that begins with https://, without spaces and without a user name")
    return text


def _auth_config(text: str) -> str:
    if not re.fullmatch(r"ac_[A-Za-z0-9_-]+", text):
        raise ValueError('it must be the id of an auth config, such as "ac_1a2b3c"')
    return text


def _path(text: str) -> str:
    if not all(text.split(".")) or text.split() != [text]:
        raise ValueError('it must be names with dots between them, such as "viewer.email"')
    return text


_AuthConfig = Annotated[_Text, Field(max_length=100), AfterValidator(_auth_config)]
_Path = Annotated[_Text, Field(max_length=200), AfterValidator(_path)]
_Address = Annotated[_Text, Field(max_length=500), AfterValidator(_https)]


class Provider(BaseModel):
    """One app: what people call it, why the bot wants it, and its toolkits at Composio.

    ``id`` is stored and typed in commands. ``toolkits`` are Composio's slugs, by default the id itself.
    ``steps`` are further how-to lines, shown between the common ones. Lengths are bounded so that a line
    always fits Discord's limits for a field (1,024), a select option (100) and a custom id (100).
    ``auth_config`` is what new accounts are made with, by default the newest that Composio manages. ``whoami`` is
    where the app tells who is signed in, by default what Composio names, ``whoami_body`` a GraphQL query for it,
    and ``whoami_name`` where in the answer the name lies, such as ``viewer.email``.
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
    auth_config: _AuthConfig | None = None
    whoami: _Address | None = None
    whoami_method: Literal["GET", "POST"] = "GET"
    whoami_body: Annotated[str, StringConstraints(min_length=1, max_length=2_000)] | None = None
    whoami_name: _Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _toolkit_defaults_to_id(cls, data: object) -> object:
        if isinstance(data, dict) and "id" in data:
            return {"toolkits": (data["id"],), **data}
        return data

    @model_validator(mode="after")
    def _whoami_is_whole(self) -> Self:
        if not self.whoami and (self.whoami_body or self.whoami_method != "GET"):
            raise ValueError("whoami_method and whoami_body say how to ask whoami, which is missing")
        if self.whoami_body and self.whoami_method != "POST":
            raise ValueError('whoami_body is sent with whoami_method = "POST"')
        return self

    @property
    def toolkit(self) -> str:
        """The toolkit that a new account is made for: the first that Composio can have."""
        return next((slug for slug in self.toolkits if slug not in _NOT_COMPOSIOS), self.toolkits[0])


@dataclass(frozen=True)
class Catalog:
    """The providers in the order in which they are shown. Raises `CatalogError` when two overlap."""

    providers: tuple[Provider, ...]

    def __post_init__(self) -> None:
        """Refuse what could not be told apart later."""
        if not self.providers:
            raise CatalogError("it names no provider; add at least one [[provider]]")
        refuse_overlap(self.providers)

    @cached_property
    def by_id(self) -> dict[str, Provider]:
        """Every provider by its id."""
        return {provider.id: provider for provider in self.providers}

    @cached_property
    def places(self) -> dict[str, int]:
        """Where each provider stands, by its id."""
        return {provider.id: place for place, provider in enumerate(self.providers)}

    @cached_property
    def by_toolkit(self) -> dict[str, Provider]:
        """Every provider by each of its toolkits' slugs."""
        return {slug: provider for provider in self.providers for slug in provider.toolkits}

    @cached_property
    def fingerprint(self) -> str:
        """Another one when a toolkit belongs to another provider: accounts then amount to something else."""
        owners = sorted((slug, provider.id) for slug, provider in self.by_toolkit.items())
        return blake2b(repr(owners).encode(), digest_size=8).hexdigest()

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


Location = tuple[str | int, ...]


class OverlapError(CatalogError):
    """*provider* has something, at *key*, that an earlier one has."""

    def __init__(self, message: str, provider: Provider, key: Location) -> None:
        super().__init__(message)
        self.provider = provider
        self.key = key


def refuse_overlap(providers: Sequence[Provider]) -> None:
    """Raise `OverlapError` for the first of *providers* that has something that an earlier one has."""
    owners: dict[tuple[str, str], Provider] = {}
    for provider in providers:
        mine: list[tuple[str, str, Location]] = [
            ("id or label", provider.id, ("id",)),
            ("id or label", provider.label.casefold(), ("label",)),
            *(("toolkit", slug, ("toolkits", number)) for number, slug in enumerate(provider.toolkits)),
        ]
        for what, name, key in mine:
            owner = owners.setdefault((what, name), provider)
            if owner is not provider:
                raise OverlapError(f"the {what} {name!r} is taken already, by {owner.label!r}", provider, key)


def _provider(
    label: str, category: str, description: str, id_: str = "", *more: str, whoami: Mapping[str, str] | None = None
) -> Provider:
    slug = id_ or label.lower().replace(" ", "")
    return Provider(
        id=slug,
        label=label,
        category=category,
        description=description,
        required=category == "Required",
        toolkits=(slug, *more),
        **(whoami or {}),
    )


# Composio names no address for it, because there is only one, for everything that can be asked (GraphQL).
_LINEAR = {
    "whoami": "https://api.linear.app/graphql",
    "whoami_method": "POST",
    "whoami_body": "{ viewer { email } }",
    "whoami_name": "viewer.email",
}


DEFAULT = Catalog(
    (
        _provider("Gmail", "Required", "Required for email processing and notifications"),
        _provider("Google Docs", "Documents", "Needed to read, create, and edit Google Documents"),
        _provider("Google Sheets", "Documents", "Needed for spreadsheet data processing"),
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
        _provider("Linear", "Productivity", "Needed to read and write issues and projects", whoami=_LINEAR),
    )
)
