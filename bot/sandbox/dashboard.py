"""The page that stands in for Composio's dashboard: look at the accounts, connect, expire, disable, remove.

It works without scripts and loads nothing from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from html import escape
from urllib.parse import quote

from aiohttp import web

from bot.sandbox.model import Account
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
_ACTIONS = {"ACTIVE": ("expire", "disable", "remove"), "INACTIVE": ("enable", "remove")}

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

_STYLE = """
:root { color-scheme: light dark; --page: #f5f5f3; --card: #fff; --ink: #22242a; --soft: #62656e;
  --line: #e2e2de; --edge: #c9c9c4; --good: #1e7f4b; --warn: #a8590a; --off: #62656e; --accent: #3b5bdb;
  --danger: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --page: #16171a; --card: #1f2125; --ink: #ececee;
  --soft: #a3a6af; --line: #34373d; --edge: #50545c; --good: #5cc98d; --warn: #f0a95b; --off: #a3a6af;
  --accent: #91a7ff; --danger: #f2918a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.05rem; margin: 2.25rem 0 .75rem; }
p { margin: 0; color: var(--soft); }
code { font: .875em ui-monospace, monospace; overflow-wrap: anywhere; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; overflow: hidden; }
.empty { padding: 1.25rem 1rem; }
table { width: 100%; border-collapse: collapse; font-size: .95rem; }
th, td { padding: .75rem .8rem; text-align: left; vertical-align: top; }
thead th { color: var(--soft); font-size: .8rem; font-weight: 500; padding-block: .6rem; }
tbody tr { border-top: 1px solid var(--line); }
tbody th { font-weight: 600; white-space: nowrap; }
td { overflow-wrap: anywhere; }
.name { min-width: 11rem; }
.state { min-width: 9rem; }
small { display: block; color: var(--soft); font-size: .8rem; }
.status { font-weight: 500; color: var(--off); }
.status::before { content: ""; display: inline-block; width: .55em; height: .55em; margin-right: .45em;
  border-radius: 50%; background: currentColor; }
.status.active { color: var(--good); }
.status.expired, .status.failed, .status.revoked { color: var(--warn); }
time { white-space: nowrap; }
form { margin: 0; }
.actions, .apps { display: flex; flex-wrap: wrap; gap: .4rem; }
td .actions { justify-content: flex-end; flex-wrap: nowrap; }
.apps { padding: 1rem; gap: .6rem; }
button { font: inherit; font-size: .85rem; white-space: nowrap; color: var(--ink); background: transparent;
  cursor: pointer; border: 1px solid var(--edge); border-radius: 8px; padding: .3rem .65rem; }
.apps button { font-size: .95rem; padding: .5rem .95rem; }
button:hover { border-color: currentColor; }
button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
button.remove { color: var(--danger); }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
@media (max-width: 60rem) {
  thead { display: none; }
  tr, tbody th, td { display: block; }
  tbody th, td { padding: .15rem 1rem; }
  tbody th { padding-top: 1rem; }
  td:last-child { padding: .6rem 1rem 1rem; }
  .since::before { content: "Created "; color: var(--soft); font-size: .8rem; }
  .since small { display: inline; margin-left: .4em; }
  td .actions { justify-content: flex-start; flex-wrap: wrap; }
  button { padding: .5rem .9rem; }
}
"""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Dashboard:
    """The routes under `/accounts`. A form changes the project, then sends the browser back to the page."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/accounts", self._show),
            web.post("/accounts/connect", _only_from_here(self._connect)),
            web.post("/accounts/{id}/{action}", _only_from_here(self._act)),
        ]

    async def _show(self, _: web.Request) -> web.Response:
        self._project.expire_links()
        user_id = self._project.user_id
        mine = [account for account in self._project.accounts.values() if account.user_id == user_id]
        mine.sort(key=lambda account: account.created_at)
        return web.Response(text=page(mine[::-1], user_id), content_type="text/html", headers=_HEADERS)

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
            "remove": self._project.remove,
        }
        if action not in actions:
            return web.Response(status=404, text="There is no such button.")
        account = self._project.accounts.get(account_id)
        if account is not None and action in offered(account):
            actions[action](account_id)
        return _back()


def _only_from_here(handler: Handler) -> Handler:
    """Refuses what another site sends here, also under a name of its own (DNS rebinding)."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        port = request.get_extra_info("sockname")[1]
        host = request.headers.get("Host", "")
        own = {f"127.0.0.1:{port}", f"localhost:{port}"}
        if host not in own or request.headers.get("Origin", f"http://{host}") != f"http://{host}":
            return web.Response(status=403, text="Forms are only taken from this page itself.")
        return await handler(request)

    return guarded


def offered(account: Account) -> tuple[str, ...]:
    """What the page lets a person do with this account."""
    return _ACTIONS.get(account.status, ("remove",))


def page(accounts: Iterable[Account], user_id: str) -> str:
    """The whole page, with everything that comes from outside escaped."""
    rows = "".join(_row(account) for account in accounts)
    apps = "".join(_connect_button(slug, label) for slug, label in APPS.items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Stand-in for Composio's dashboard</title><style>{_STYLE}</style></head><body><main>"
        "<h1>Stand-in for Composio's dashboard</h1>"
        "<p>This is a local practice page: nothing here reaches Composio or anybody's real account.</p>"
        f'<h2 id="accounts">Accounts of <code>{escape(user_id)}</code></h2>'
        f'<div class="card">{_table(rows) if rows else _EMPTY}</div>'
        '<h2 id="connect">Connect an app</h2>'
        f'<div class="card apps" role="group" aria-labelledby="connect">{apps}</div></main></body></html>'
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
        f'<td class="name">{_breakable(_name(account))}<small>{escape(account.id)}{shared}</small></td>'
        f'<td class="state">{_status(account)}</td><td class="since">{_time(account.created_at)}</td>'
        f'<td><div class="actions">{buttons}</div></td></tr>'
    )


def _status(account: Account) -> str:
    words = _STATUS_WORDS.get(account.status, account.status)
    reason = f"<small>{escape(account.status_reason)}</small>" if account.status_reason else ""
    return f'<span class="status {escape(account.status.lower())}">{escape(words)}</span>{reason}'


def _time(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return f'<time datetime="{utc.isoformat()}">{utc.day} {utc:%b %Y}<small>{utc:%H:%M} UTC</small></time>'


def _action_button(account: Account, action: str) -> str:
    label = escape(f"{action.capitalize()} {_label(account)} account {_name(account)}")
    target = f"/accounts/{quote(account.id, safe='')}/{action}"
    return (
        f'<form method="post" action="{target}">'
        f'<button class="{action}" aria-label="{label}">{action.capitalize()}</button></form>'
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


def _breakable(text: str) -> str:
    """Escaped, with places where a long line may end."""
    return re.sub(r"([_.@+])", r"\1<wbr>", escape(text))


def _back() -> web.Response:
    return web.Response(status=303, headers={"Location": "/accounts"})
