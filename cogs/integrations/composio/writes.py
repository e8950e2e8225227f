"""Taking an account away: revoke it at the provider, delete it at Composio. Never retried."""

from __future__ import annotations

from typing import Literal, NotRequired

import composio_client as sdk
from pydantic import TypeAdapter
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from ..mirror.accounts import Revocation
from .belief import must_be_about, refusal_of, says_gone
from .client import content
from .failures import translated

_REFUSALS = {400: Revocation.UNSUPPORTED, 409: Revocation.NOT_ACTIVE}


class _RevokedAccount(TypedDict):
    id: str
    status: Literal["REVOKED"]


class _Revoked(TypedDict):
    connected_account: _RevokedAccount


class _Deleted(TypedDict):
    success: Literal[True]
    id: NotRequired[str]  # not documented, as it is for other calls that answer with `success`


_REVOKED = TypeAdapter(_Revoked)
_DELETED = TypeAdapter(_Deleted)


async def revoke(client: sdk.AsyncComposio, account_id: str) -> Revocation:
    """See `mirror.accounts.Accounts.revoke`."""
    with translated():
        answer = await client.connected_accounts.with_raw_response.revoke(account_id)
        try:
            body = await content(answer)
        except sdk.APIStatusError as error:
            if says_gone(error):
                return Revocation.GONE
            if refusal_of(error) and (refusal := _REFUSALS.get(error.status_code)):
                return refusal
            raise
        must_be_about(account_id, _REVOKED.validate_json(body)["connected_account"]["id"])
        return Revocation.REVOKED


async def delete(client: sdk.AsyncComposio, account_id: str) -> bool:
    """See `mirror.accounts.Accounts.delete`."""
    with translated():
        answer = await client.connected_accounts.with_raw_response.delete(account_id)
        try:
            body = await content(answer)
        except sdk.APIStatusError as error:
            if says_gone(error):
                return False
            raise
        must_be_about(account_id, _DELETED.validate_json(body).get("id", account_id))
        return True
