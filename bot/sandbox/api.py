"""Composio's API over a `Project`: the calls that this bot makes, in the bodies that Composio sends.

Anything else is refused, so that a call nobody tried here is seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial

from bot.sandbox.links_api import links_reply
from bot.sandbox.model import SECRET, Account, Body, RefusalError, Reply, Request, error, stamp
from bot.sandbox.paging import bad_request, cursor, must_know, one_of, paged
from bot.sandbox.project import Project, draw
from bot.sandbox.sessions import create_session

__all__ = ["API", "SECRET", "answer", "cursor"]

API = "/api/v3.1"
BY_REVOKE = "Revoked via user-initiated revoke endpoint"

_FILTERS = {"user_ids": "user_id", "toolkit_slugs": "toolkit"}
_PARAMETERS = {*_FILTERS, "account_type", "order_by", "order_direction", "limit", "cursor"}


def answer(project: Project, sent: Request, api_key: str | None) -> Reply:
    """Do what `sent` asks for, when the key is right, and tell."""
    if api_key != project.api_key:
        return error(401, "Auth_InvalidApiKey", "Invalid API key")
    project.expire_links()
    try:
        reply = _reply(project, sent)
    except RefusalError as refusal:
        reply = error(*refusal.args)
    return replace(reply, headers=project.headers)


def _reply(project: Project, sent: Request) -> Reply:
    path = sent.path.removeprefix(API)
    if (sent.method, path) == ("POST", "/tool_router/session"):
        return Reply(201, create_session(project, sent))
    return links_reply(project, sent, path) or Reply(200, _effect(project, sent))


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
    must_know(query, _PARAMETERS)
    _must_like(project, query.get("user_ids", "").split(","))
    item = partial(_item, named=project.names_users)
    return paged(_rows(project.accounts.values(), query), item, query, project.max_page)


def _must_like(project: Project, users: Collection[str]) -> None:
    if project.max_users is not None and len(users) > project.max_users:
        raise bad_request(f"user_ids must name at most {project.max_users}")
    if not project.refused_users.isdisjoint(users):
        raise bad_request("user_ids are not valid")


def _rows(accounts: Iterable[Account], query: Mapping[str, str]) -> list[Account]:
    """What a list call asks for, in its order; of two equally old accounts the one added later is newer."""
    kind = one_of(query, "account_type", "PRIVATE", "SHARED", "ALL")
    key = one_of(query, "order_by", "created_at", "updated_at")
    newest_first = one_of(query, "order_direction", "desc", "asc") == "desc"
    wanted = {name: set(query[param].split(",")) for param, name in _FILTERS.items() if query.get(param)}
    rows = [
        account
        for account in accounts
        if kind in {account.account_type, "ALL"}
        and all(getattr(account, name) in values for name, values in wanted.items())
    ]
    rows.sort(key=lambda account: getattr(account, key))
    return rows[::-1] if newest_first else rows


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
        "created_at": stamp(account.created_at),
        "updated_at": stamp(account.updated_at),
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
            return {"expired_at": stamp(account.updated_at)}
        case "REVOKED":
            return {"revoked_at": stamp(account.updated_at)}
        case _:
            tokens = {"access_token": SECRET, "refresh_token": SECRET, "token_type": "Bearer"}
            return tokens | {"expires_in": 3599, "scope": "all", "displayName": "Jane"}
