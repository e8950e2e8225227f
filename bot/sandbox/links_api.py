"""Composio's API for connecting and trying: auth configs, connect links, toolkits, and the proxy to providers."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from bot.sandbox.model import SECRET, WORKS, Account, AuthConfig, Body, RefusalError, Reply, Request, stamp
from bot.sandbox.paging import bad_request, must_know, one_of, paged
from bot.sandbox.project import Project
from bot.sandbox.toolkits import TOOLKITS, Toolkit

NO_SUCH_ACCOUNT = 606
_FINDING = {"toolkit_slug", "is_composio_managed", "show_disabled", "limit", "cursor"}
_MADE = "2024-05-03T11:44:32.061Z"

T = TypeVar("T", bound=BaseModel)


class _Slug(BaseModel, extra="forbid"):
    slug: str


class _Managed(BaseModel, extra="forbid"):
    type: Literal["use_composio_managed_auth"]


class _NewAuthConfig(BaseModel, extra="forbid"):
    toolkit: _Slug
    auth_config: _Managed


class _NewLink(BaseModel, extra="forbid"):
    auth_config_id: str
    user_id: str = Field(min_length=1)
    alias: str | None = None


class _Execution(BaseModel, extra="forbid"):
    endpoint: str
    method: Literal["GET", "POST"]
    connected_account_id: str
    body: Any = None


def links_reply(project: Project, sent: Request, path: str) -> Reply | None:
    """Do what *sent* asks for, and tell; None when it is about something else. *path* follows the API's own."""
    match sent.method, path.split("/")[1:]:
        case "GET", ["auth_configs"]:
            return Reply(200, _auth_configs(project, sent))
        case "POST", ["auth_configs"]:
            return Reply(201, _make_auth_config(project, _read(_NewAuthConfig, sent)))
        case "POST", ["connected_accounts", "link"]:
            return Reply(201, _make_link(project, _read(_NewLink, sent), sent.origin))
        case "GET", ["toolkits", slug]:
            return Reply(200, _toolkit_item(slug, _toolkit(slug)))
        case "POST", ["tools", "execute", "proxy"]:
            return Reply(200, _executed(project, _read(_Execution, sent)))
    return None


def _read(kind: type[T], sent: Request) -> T:
    try:
        return kind.model_validate_json(sent.content)
    except ValidationError as error:
        raise bad_request(f"The stand-in does not know this: {error}") from error


# Auth configs


def _auth_configs(project: Project, sent: Request) -> Body:
    must_know(sent.query, _FINDING)
    slugs = set(sent.query["toolkit_slug"].split(",")) if sent.query.get("toolkit_slug") else None
    managed = one_of(sent.query, "is_composio_managed", "", "true", "false")
    all_of_them = one_of(sent.query, "show_disabled", "false", "true") == "true"
    rows = [
        config
        for config in project.auth_configs.values()
        if (slugs is None or config.toolkit in slugs)
        and managed in {"", str(config.is_composio_managed).lower()}
        and (all_of_them or config.status == "ENABLED")
    ]
    return paged(rows, partial(_auth_config_item, project), sent.query, project.max_page)


def _auth_config_item(project: Project, config: AuthConfig) -> Body:
    accounts = [account for account in project.accounts.values() if account.toolkit == config.toolkit]
    return {
        "id": config.id,
        "uuid": "550e8400-e29b-41d4-a716-446655440000",
        "type": "default" if config.is_composio_managed else "custom",
        "toolkit": {"slug": config.toolkit, "logo": f"https://logos.composio.dev/api/{config.toolkit}"},
        "name": f"auth_config_{config.id}",
        "auth_scheme": "OAUTH2",
        "is_composio_managed": config.is_composio_managed,
        "credentials": {"scopes": ["all"], "client_secret": SECRET},
        "status": config.status,
        "created_by": None,
        "created_at": stamp(config.created_at),
        "last_updated_at": stamp(config.last_updated_at),
        "no_of_connections": len(accounts),
        "restrict_to_following_tools": [],
        "tool_access_config": {"tools_for_connected_account_creation": []},
    }


def _make_auth_config(project: Project, wanted: _NewAuthConfig) -> Body:
    slug = wanted.toolkit.slug
    _toolkit(slug)
    if slug in project.unmanaged:
        raise RefusalError(400, "AuthConfig_NoManagedCredentials", "Composio has no credentials for this toolkit")
    made = project.add_auth_config(slug)
    auth = {"id": made.id, "auth_scheme": "OAUTH2", "is_composio_managed": True}
    return {"toolkit": {"slug": slug}, "auth_config": auth}


# Connect links


def _make_link(project: Project, wanted: _NewLink, origin: str) -> Body:
    config = project.auth_configs.get(wanted.auth_config_id)
    if config is None:
        raise RefusalError(404, "AuthConfig_NotFound", "Auth config not found")
    if config.status != "ENABLED":
        raise RefusalError(400, "AuthConfig_Disabled", "Auth config is disabled")
    if wanted.alias and any(
        (account.user_id, account.toolkit, account.alias) == (wanted.user_id, config.toolkit, wanted.alias)
        for account in project.accounts.values()
    ):
        raise RefusalError(400, "ConnectedAccount_AliasTaken", "The alias is in use")
    link = project.make_link(config.toolkit, wanted.user_id, wanted.alias)
    return {
        "link_token": link.token,
        "redirect_url": f"{origin}/link/{link.token}",
        "expires_at": stamp(link.expires_at),
        "connected_account_id": link.account_id,
    }


# Toolkits


def _toolkit(slug: str) -> Toolkit:
    if slug not in TOOLKITS:
        raise RefusalError(404, "Toolkit_NotFound", "Toolkit not found")
    return TOOLKITS[slug]


def _toolkit_item(slug: str, toolkit: Toolkit) -> Body:
    endpoint = {"get_current_user_endpoint": toolkit.whoami, "get_current_user_endpoint_method": toolkit.method}
    return {
        "slug": slug,
        "name": toolkit.name,
        "enabled": True,
        "is_local_toolkit": False,
        "type": "native",
        "composio_managed_auth_schemes": ["OAUTH2"],
        "auth_config_details": [],
        "composio_managed_auth": [],
        **(endpoint if toolkit.whoami else {}),
        "meta": {
            "created_at": _MADE,
            "updated_at": _MADE,
            "description": toolkit.name,
            "logo": f"https://logos.composio.dev/api/{slug}",
            "categories": [{"name": "productivity", "slug": "productivity"}],
            "triggers_count": 3,
            "tools_count": 40,
            "version": "20261101_00",
            "available_versions": ["20261101_00"],
        },
        "deprecated": {"toolkitId": "550e8400-e29b-41d4-a716-446655440000", "rawProxyInfoByAuthSchemes": []},
    }


# The proxy


def _executed(project: Project, wanted: _Execution) -> Body:
    account = project.accounts.get(wanted.connected_account_id)
    if account is None:
        raise RefusalError(
            404, "ConnectedAccount_ResourceNotFound", "Connected account not found", NO_SUCH_ACCOUNT
        )
    if account.status != "ACTIVE" or account.is_disabled:
        raise RefusalError(400, "ConnectedAccount_NotActive", "The connected account is not active")
    status, data = _provider_says(account, wanted)
    length = str(len(json.dumps(data)))
    headers = {"content-type": "application/json", "content-length": length, "set-cookie": f"session={SECRET}"}
    return {"status": status, "data": data, "headers": headers}


def _provider_says(account: Account, wanted: _Execution) -> tuple[int, Body]:
    if account.token != WORKS:
        message = "Invalid Credentials" if account.token == 401 else "Not with this access"
        return account.token, {"error": {"code": account.token, "message": message}}
    toolkit = TOOLKITS.get(account.toolkit)
    tells = toolkit.answers(wanted.endpoint, wanted.method) if toolkit else None
    if tells is None:
        return 404, {"error": {"code": 404, "message": "Not Found"}}
    return WORKS, tells(account.owner)
