"""Connect links, and the auth configs that they are made with. Only the reads are ever retried."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NotRequired
from urllib.parse import urlsplit

import composio_client as sdk
from pydantic import TypeAdapter
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from ..mirror.accounts import ID_LENGTH, Account
from ..mirror.errors import ComposioUnavailableError, NotConnectableError, Trouble, Unconnectable
from ..mirror.links import Link
from ..mirror.text import line
from ..names import LOOPBACK
from .accounts import read_items
from .belief import refusal_of
from .client import content
from .failures import translated
from .items import account

PAGE_SIZE = 100
MAX_PAGES = 100
URL_LENGTH = 3_000  # what a message of Discord's has room for

_NO_LINK = {
    400: Unconnectable.UNSUPPORTED,
    403: Unconnectable.KEY,
    404: Unconnectable.AUTH_CONFIG_GONE,
    422: Unconnectable.UNSUPPORTED,
}
_NO_LOOK = {403: Unconnectable.KEY}
_NO_AUTH_CONFIG = {
    400: Unconnectable.UNSUPPORTED,
    401: Unconnectable.NO_AUTH_CONFIG,
    403: Unconnectable.NO_AUTH_CONFIG,
    404: Unconnectable.UNSUPPORTED,
    422: Unconnectable.UNSUPPORTED,
}


class _Toolkit(TypedDict):
    slug: str


class _AuthConfig(TypedDict):
    """What we read of an auth config; everything else, credentials included, is skipped by the parser."""

    id: str
    toolkit: _Toolkit
    is_composio_managed: NotRequired[bool | None]
    status: NotRequired[str | None]
    created_at: NotRequired[str | None]
    last_updated_at: NotRequired[str | None]


class _Page(TypedDict):
    items: list[_AuthConfig]
    next_cursor: NotRequired[str | None]


class _Id(TypedDict):
    id: str


class _Made(TypedDict):
    toolkit: _Toolkit
    auth_config: _Id


class _Link(TypedDict):
    redirect_url: str
    expires_at: str
    connected_account_id: str


_PAGE = TypeAdapter(_Page)
_MADE = TypeAdapter(_Made)
_LINK = TypeAdapter(_Link)


async def auth_config(client: sdk.AsyncComposio, toolkit: str) -> str | None:
    """See `mirror.links.Links.auth_config`."""
    with translated():
        usable = [config for config in await _auth_configs(client, toolkit) if _is_usable(config, toolkit)]
        return _id(max(usable, key=_age)["id"]) if usable else None


async def make_auth_config(client: sdk.AsyncComposio, toolkit: str) -> str:
    """See `mirror.links.Links.make_auth_config`."""
    with translated():
        answer = await client.auth_configs.with_raw_response.create(
            toolkit={"slug": toolkit}, auth_config={"type": "use_composio_managed_auth"}
        )
        try:
            made = _MADE.validate_json(await content(answer))
        except sdk.APIStatusError as error:
            _tell_why(error, _NO_AUTH_CONFIG)
            raise
        if made["toolkit"]["slug"].lower() != toolkit:
            raise ComposioUnavailableError(Trouble.UNREADABLE, "an auth config of another toolkit")
        return _id(made["auth_config"]["id"])


async def link(client: sdk.AsyncComposio, auth_config_id: str, composio_user_id: str, alias: str) -> Link:
    """See `mirror.links.Links.link`."""
    with translated():
        answer = await client.link.with_raw_response.create(
            auth_config_id=auth_config_id, user_id=composio_user_id, alias=alias
        )
        try:
            made = _LINK.validate_json(await content(answer))
        except sdk.APIStatusError as error:
            _tell_why(error, _NO_LINK)
            raise
        # In UTC: at the end of all time it has none, and the database could not hold it.
        until = _aware(made["expires_at"]).astimezone(UTC)
        return Link(_id(made["connected_account_id"]), _url(made["redirect_url"]), until)


async def made(client: sdk.AsyncComposio, composio_user_id: str, alias: str) -> Account | None:
    """See `mirror.links.Links.made`."""
    # Found here and not by Composio, which has no filter for it; nor has an `Account` the alias: it is no name.
    items = await read_items(client, (composio_user_id,))
    return next((account(item) for item in items if item.get("alias") == alias), None)


async def _auth_configs(client: sdk.AsyncComposio, toolkit: str) -> list[_AuthConfig]:
    found: list[_AuthConfig] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        answer = await client.auth_configs.with_raw_response.list(
            toolkit_slug=toolkit, is_composio_managed=True, limit=PAGE_SIZE, cursor=cursor or sdk.omit
        )
        try:
            page = _PAGE.validate_json(await content(answer))
        except sdk.APIStatusError as error:
            _tell_why(error, _NO_LOOK)
            raise
        found += page["items"]
        before, cursor = cursor, page.get("next_cursor")
        if not cursor:
            return found
        if cursor == before:
            break
    raise ComposioUnavailableError(Trouble.UNREADABLE, "the pages do not end")


def _is_usable(config: _AuthConfig, toolkit: str) -> bool:
    return bool(
        config["toolkit"]["slug"].lower() == toolkit
        and config.get("is_composio_managed")
        and (config.get("status") or "ENABLED") == "ENABLED"
    )


def _age(config: _AuthConfig) -> datetime:
    """When it was made or else last changed; the newest is the greatest."""
    text = config.get("created_at") or config.get("last_updated_at")
    return _aware(text) if text else datetime.min.replace(tzinfo=UTC)


def _tell_why(error: sdk.APIStatusError, reasons: Mapping[int, Unconnectable]) -> None:
    """Raise what a refusal of Composio's own means."""
    why = reasons.get(error.status_code)
    if why and refusal_of(error) is not None:
        raise NotConnectableError(why) from None


# What is raised below becomes `ComposioUnavailableError`, which quotes none of it.


def _id(text: str) -> str:
    if not text or line(text, ID_LENGTH) != text:
        raise ValueError("an id that is none")
    return text


def _url(text: str) -> str:
    parts = urlsplit(text)
    is_one_line = text.isprintable() and text.split() == [text] and len(text) <= URL_LENGTH
    # Whoever reads it on its way could open it first: it is encrypted, or never leaves this machine.
    is_private = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    if not (is_one_line and is_private and parts.hostname) or parts.port == 0:  # no number is a ValueError too
        raise ValueError("a link that is none")
    return text


def _aware(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    return value if value.tzinfo else value.replace(tzinfo=UTC)
