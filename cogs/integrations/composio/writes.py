"""Taking an account away: revoke it at the provider, delete it at Composio. Never retried."""

from __future__ import annotations

from typing import Literal

import composio_client as sdk
from pydantic import TypeAdapter
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from ..mirror.accounts import Revocation
from .client import content
from .failures import translated

_REFUSALS = {400: Revocation.UNSUPPORTED, 404: Revocation.GONE, 409: Revocation.NOT_ACTIVE}


class _RevokedAccount(TypedDict):
    status: Literal["REVOKED"]


class _Revoked(TypedDict):
    connected_account: _RevokedAccount


class _Deleted(TypedDict):
    success: Literal[True]


_REVOKED = TypeAdapter(_Revoked)
_DELETED = TypeAdapter(_Deleted)


async def revoke(client: sdk.AsyncComposio, account_id: str) -> Revocation:
    """See `mirror.accounts.Accounts.revoke`."""
    with translated():
        answer = await client.connected_accounts.with_raw_response.revoke(account_id)
        if refusal := _REFUSALS.get(answer.status_code):
            return refusal
        _REVOKED.validate_json(await content(answer))
        return Revocation.REVOKED


async def delete(client: sdk.AsyncComposio, account_id: str) -> bool:
    """See `mirror.accounts.Accounts.delete`."""
    with translated():
        answer = await client.connected_accounts.with_raw_response.delete(account_id)
        if answer.status_code == 404:
            return False
        _DELETED.validate_json(await content(answer))
        return True
