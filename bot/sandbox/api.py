"""Composio's API over a `Project`: the calls that this bot makes, in the bodies that Composio sends.

Anything else is refused, so that a call nobody tried here is seen.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from bot.sandbox.model import Account, Body, RefusalError, Reply, Request, error
from bot.sandbox.project import Project, draw
from bot.sandbox.sessions import create_session

API = "/api/v3.1"
SECRET = "token-that-must-not-leak"  # noqa: S105 - it is here to be looked for
BY_REVOKE = "Revoked via user-initiated revoke endpoint"

_FILTERS = {"user_ids": "user_id", "toolkit_slugs": "toolkit"}
_PARAMETERS = {*_FILTERS, "account_type", "order_by", "order_direction", "limit", "cursor"}


def answer(project: Project, sent: Request, api_key: str | None) -> Reply:
    """Do what `sent` asks for, when the key is right, and tell."""
    if api_key != project.api_key:
        return error(401, "Auth_InvalidApiKey", "Invalid API key")
    try:
        if (sent.method, sent.path) == ("POST", f"{API}/tool_router/session"):
            return Reply(201, create_session(project, sent), project.headers)
        return Reply(200, _effect(project, sent), project.headers)
    except RefusalError as refusal:
        return replace(error(*refusal.args), headers=project.headers)


def cursor(offset: int) -> str:
    """What leads to the page that begins there."""
    return base64.urlsafe_b64encode(str(offset).encode()).decode()


def _effect(project: Project, sent: Request) -> Body:
    match sent.method, sent.path.removeprefix(f"{API}/connected_accounts").split("/"):
        case "GET", [""]:
            return _page(project, sent.query)
        case "GET", ["", account_id]:
            return _item(_find(project, account_id)) | {"params": {"access_token": SECRET}}
        case "DELETE", ["", account_id]:
            project.remove(_find(project, account_id).id)
            return {"success": True}
        case "POST", ["", account_id, "revoke"]:
            return _revoke(project, _find(project, account_id))
    raise RefusalError(404, "Route_NotFound", "There is nothing here")


def _find(project: Project, account_id: str) -> Account:
    account = project.accounts.get(account_id)
    if account is None:
        raise RefusalError(404, "ConnectedAccount_ResourceNotFound", "Connected account not found")
    return account


def _revoke(project: Project, account: Account) -> Body:
    if account.toolkit in project.unrevocable:
        raise RefusalError(400, "ConnectedAccount_RevokeNotSupported", "This toolkit cannot revoke")
    if account.status not in {"ACTIVE", "REVOKED"}:
        raise RefusalError(409, "ConnectedAccount_NotActive", "Only an active account can be revoked")
    tokens = ["access_token", "refresh_token"] if account.status == "ACTIVE" else []
    if tokens:
        project.change(account.id, status="REVOKED", status_reason=BY_REVOKE)
    return {"revoked_tokens": tokens, "connected_account": {"id": account.id, "status": account.status}}


def _page(project: Project, query: Mapping[str, str]) -> Body:
    if unknown := query.keys() - _PARAMETERS:
        raise _bad_request(f"The stand-in does not know {', '.join(sorted(unknown))}")
    _must_like(project, query.get("user_ids", "").split(","))
    rows = _rows(project.accounts.values(), query)
    limit = min(_limit(query.get("limit", "20")), project.max_page)
    start = _offset(query["cursor"]) if query.get("cursor") else 0
    end = start + limit
    return {
        "items": [_item(account, named=project.names_users) for account in rows[start:end]],
        "next_cursor": cursor(end) if end < len(rows) else None,
        "total_pages": -(-len(rows) // limit),
        "current_page": start // limit + 1,
        "total_items": len(rows),
    }


def _must_like(project: Project, users: Collection[str]) -> None:
    if project.max_users is not None and len(users) > project.max_users:
        raise _bad_request(f"user_ids must name at most {project.max_users}")
    if not project.refused_users.isdisjoint(users):
        raise _bad_request("user_ids are not valid")


def _rows(accounts: Iterable[Account], query: Mapping[str, str]) -> list[Account]:
    """What a list call asks for, in its order; of two equally old accounts the one added later is newer."""
    kind = _one_of(query, "account_type", "PRIVATE", "SHARED", "ALL")
    key = _one_of(query, "order_by", "created_at", "updated_at")
    newest_first = _one_of(query, "order_direction", "desc", "asc") == "desc"
    wanted = {name: set(query[param].split(",")) for param, name in _FILTERS.items() if query.get(param)}
    rows = [
        account
        for account in accounts
        if kind in {account.account_type, "ALL"}
        and all(getattr(account, name) in values for name, values in wanted.items())
    ]
    rows.sort(key=lambda account: getattr(account, key))
    return rows[::-1] if newest_first else rows


def _one_of(query: Mapping[str, str], name: str, default: str, *others: str) -> str:
    value = query.get(name, default)
    if value not in {default, *others}:
        raise _bad_request(f"{name} must be one of {', '.join((default, *others))}")
    return value


def _limit(text: str) -> int:
    try:
        limit = int(float(text))
    except (ValueError, OverflowError):
        limit = 0
    if limit < 1:
        raise _bad_request("limit must be a positive number")
    return limit


def _offset(text: str) -> int:
    try:
        offset = int(base64.b64decode(text, altchars=b"-_", validate=True).decode("ascii"))
    except ValueError:
        offset = -1
    if offset < 0:
        raise _bad_request("Invalid cursor")
    return offset


def _bad_request(message: str) -> RefusalError:
    return RefusalError(400, "Request_Invalid", message)


def _item(account: Account, *, named: bool = True) -> Body:
    auth = {"id": f"ac_{draw(account.toolkit)}", "auth_scheme": "OAUTH2", "is_composio_managed": True}
    return {
        "toolkit": {"slug": account.toolkit},
        "auth_config": auth | {"is_disabled": False},
        "id": account.id,
        "authScheme": "OAUTH2",
        "word_id": account.word_id,
        "alias": account.alias,
        **({"user_id": account.user_id} if named else {}),
        "status": account.status,
        "experimental": {"account_type": account.account_type},
        "created_at": _stamp(account.created_at),
        "updated_at": _stamp(account.updated_at),
        "state": {"authScheme": "OAUTH2", "val": {"status": account.status} | _state(account)},
        "data": {"status": account.status, "access_token": SECRET},
        "status_reason": account.status_reason,
        "is_disabled": account.is_disabled,
    }


def _state(account: Account) -> Body:
    match account.status:
        case "INITIALIZING":
            return {"code_verifier": SECRET}
        case "INITIATED":
            return {"redirectUrl": "https://example.org/link", "code_verifier": SECRET}
        case "FAILED":
            return {"error": "access_denied"}
        case "EXPIRED":
            return {"expired_at": _stamp(account.updated_at)}
        case "REVOKED":
            return {"revoked_at": _stamp(account.updated_at)}
        case _:
            tokens = {"access_token": SECRET, "refresh_token": SECRET, "token_type": "Bearer"}
            return tokens | {"expires_in": 3599, "scope": "all", "displayName": "Jane"}


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
