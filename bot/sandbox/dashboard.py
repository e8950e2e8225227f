"""The page that stands in for Composio's dashboard: look at the accounts, connect, expire, disable, remove.

It works without scripts and loads nothing from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from urllib.parse import quote

from aiohttp import web

from bot.sandbox.html import breakable, document, only_from_here, shown
from bot.sandbox.model import WORKS, Account
from bot.sandbox.project import Project
from bot.sandbox.toolkits import TOOLKITS

APPS = {slug: toolkit.name for slug, toolkit in TOOLKITS.items()}

_STATUS_WORDS = {
    "INITIALIZING": "Not finished",
    "INITIATED": "Not finished",
    "ACTIVE": "Connected",
    "FAILED": "Failed",
    "EXPIRED": "Expired",
    "INACTIVE": "Disabled",
    "REVOKED": "Revoked",
}
_ACTIONS = {"ACTIVE": ("expire", "disable", "break", "remove"), "INACTIVE": ("enable", "remove")}
_BROKEN = "The app refuses its token. Composio does not know that: a check finds it out."


class Dashboard:
    """The routes under `/accounts`. A form changes the project, then sends the browser back to the page."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/accounts", self._show),
            web.post("/accounts/connect", only_from_here(self._connect)),
            web.post("/accounts/{id}/{action}", only_from_here(self._act)),
        ]

    async def _show(self, _: web.Request) -> web.Response:
        self._project.expire_links()
        user_id = self._project.user_id
        mine = [account for account in self._project.accounts.values() if account.user_id == user_id]
        mine.sort(key=lambda account: account.created_at)
        return shown(page(mine[::-1], user_id))

    async def _connect(self, request: web.Request) -> web.Response:
        toolkit = (await request.post()).get("toolkit")
        if not isinstance(toolkit, str) or toolkit not in APPS:
            return web.Response(status=400, text="This app cannot be connected here.")
        self._project.connect(toolkit)
        return _back()

    async def _act(self, request: web.Request) -> web.Response:
        """A button of a page that went stale in another tab does nothing; the page shows what is true now."""
        account_id, action = request.match_info["id"], request.match_info["action"]
        actions = {
            "expire": self._project.expire,
            "disable": self._project.disable,
            "enable": self._project.enable,
            "break": self._project.kill_token,
            "remove": self._project.remove,
        }
        if action not in actions:
            return web.Response(status=404, text="There is no such button.")
        account = self._project.accounts.get(account_id)
        if account is not None and action in offered(account):
            actions[action](account_id)
        return _back()


def offered(account: Account) -> tuple[str, ...]:
    """What the page lets a person do with this account."""
    actions = _ACTIONS.get(account.status, ("remove",))
    return tuple(action for action in actions if action != "break" or account.token == WORKS)


def page(accounts: Iterable[Account], user_id: str) -> str:
    """The whole page, with everything that comes from outside escaped."""
    rows = "".join(_row(account) for account in accounts)
    apps = "".join(_connect_button(slug, label) for slug, label in APPS.items())
    return document(
        "Stand-in for Composio's dashboard",
        "<main><h1>Stand-in for Composio's dashboard</h1>"
        "<p>This is a local practice page: nothing here reaches Composio or anybody's real account.</p>"
        f'<h2 id="accounts">Accounts of <code>{escape(user_id)}</code></h2>'
        f'<div class="card">{_table(rows) if rows else _EMPTY}</div>'
        '<h2 id="connect">Connect an app</h2>'
        f'<div class="card apps" role="group" aria-labelledby="connect">{apps}</div></main>',
    )


_EMPTY = '<p class="empty">Nothing is connected yet. Choose an app below to connect it.</p>'


def _table(rows: str) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in ("App", "Account", "Status", "Created"))
    head += '<th scope="col"><span class="hidden">Actions</span></th>'
    return f'<table aria-labelledby="accounts"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _row(account: Account) -> str:
    shared = "" if account.account_type == "PRIVATE" else f" · {escape(account.account_type.lower())}"
    buttons = "".join(_action_button(account, action) for action in offered(account))
    return (
        f'<tr><th scope="row">{escape(_label(account))}</th>'
        f'<td class="name">{breakable(_name(account))}<small>{escape(account.id)}{shared}</small></td>'
        f'<td class="state">{_status(account)}</td><td class="since">{_time(account.created_at)}</td>'
        f'<td><div class="actions">{buttons}</div></td></tr>'
    )


def _status(account: Account) -> str:
    words = _STATUS_WORDS.get(account.status, account.status)
    reason = f"<small>{escape(account.status_reason)}</small>" if account.status_reason else ""
    if account.status == "ACTIVE" and account.token != WORKS:
        reason += f"<small>{_BROKEN}</small>"
    return f'<span class="status {escape(account.status.lower())}">{escape(words)}</span>{reason}'


def _time(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return f'<time datetime="{utc.isoformat()}">{utc.day} {utc:%b %Y}<small>{utc:%H:%M} UTC</small></time>'


def _action_button(account: Account, action: str) -> str:
    words = "Break token" if action == "break" else action.capitalize()
    label = escape(f"{words}: {_label(account)} account {_name(account)}")
    target = f"/accounts/{quote(account.id, safe='')}/{action}"
    return (
        f'<form method="post" action="{target}">'
        f'<button class="{action}" aria-label="{label}">{words}</button></form>'
    )


def _connect_button(slug: str, label: str) -> str:
    return (
        '<form method="post" action="/accounts/connect">'
        f'<button name="toolkit" value="{slug}" aria-label="Connect {label}">{label}</button></form>'
    )


def _label(account: Account) -> str:
    return APPS.get(account.toolkit, account.toolkit)


def _name(account: Account) -> str:
    return account.alias or account.word_id or account.id


def _back() -> web.Response:
    return web.Response(status=303, headers={"Location": "/accounts"})
