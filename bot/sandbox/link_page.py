"""The page behind a connect link: somebody allows the bot to use an app with their account, or denies it."""

from __future__ import annotations

from datetime import UTC
from html import escape
from urllib.parse import quote

from aiohttp import web

from bot.sandbox.html import document, only_from_here, shown
from bot.sandbox.model import Account, Link
from bot.sandbox.project import TOO_LATE, UNFINISHED, Project
from bot.sandbox.toolkits import TOOLKITS

OWNER_LENGTH = 100

_PRACTICE = (
    '<p class="note">This is a local practice page: nothing here reaches Composio, the app or anybody\'s real '
    "account.</p>"
)
_CLOSE = "You can close this tab and go back to Discord."


class LinkPage:
    """The routes under `/link`. A form changes the project, then sends the browser back to the page."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/link/{token}", self._show),
            web.post("/link/{token}/allow", only_from_here(self._allow)),
            web.post("/link/{token}/deny", only_from_here(self._deny)),
        ]

    async def _show(self, request: web.Request) -> web.Response:
        token = request.match_info["token"]
        self._project.open_link(token)
        link = self._project.links.get(token)
        account = self._project.accounts.get(link.account_id) if link else None
        if link is None or account is None:
            return shown(_said("There is no such link", "Ask the bot for a new one."), 404)
        if account.status in UNFINISHED:
            return shown(_question(link, account, self._project.bot))
        return shown(_said(*_ended(account, self._project.bot)))

    async def _allow(self, request: web.Request) -> web.Response:
        owner = str((await request.post()).get("owner", "")).strip()
        if not owner.isprintable() or not 0 < len(owner) <= OWNER_LENGTH:
            return web.Response(status=400, text="Nobody can be signed in under this name.")
        self._project.allow(request.match_info["token"], owner)
        return _back(request)

    async def _deny(self, request: web.Request) -> web.Response:
        self._project.deny(request.match_info["token"])
        return _back(request)


def _question(link: Link, account: Account, bot: str) -> str:
    app, who = escape(_app(account)), escape(bot)
    target = f"/link/{quote(link.token, safe='')}"
    until = link.expires_at.astimezone(UTC)
    return document(
        f"Connect {_app(account)}",
        f'<main class="alone"><h1>{who} would like to use {app}</h1>{_PRACTICE}<div class="card">'
        f"<p>Allow it, and {who} works in {app} with the account that is signed in here, for the whole server.</p>"
        f'<form method="post" action="{target}/allow"><label>Signed in to {app} as'
        f'<input name="owner" value="{escape(account.owner)}" maxlength="{OWNER_LENGTH}" required '
        'pattern=".*\\S.*" autocomplete="off" spellcheck="false"></label><div class="choice">'
        f'<button class="allow">Allow</button><button formaction="{target}/deny" formnovalidate>Deny</button>'
        '</div></form></div><p class="note">The link works once, until '
        f'<time datetime="{until.isoformat()}">{until:%H:%M} UTC on {until.day} {until:%b %Y}</time>.</p></main>',
    )


def _ended(account: Account, bot: str) -> tuple[str, str]:
    """What became of a link that can be used no more: a headline, and the rest."""
    app = _app(account)
    if account.status == "ACTIVE":
        return f"{app} is connected", f"{bot} uses it as {account.owner}. {_CLOSE}"
    if account.status == "FAILED":
        return f"{app} is not connected", f"You have denied it. {_CLOSE}"
    if account.status_reason == TOO_LATE:
        return "This link has expired", "It lived ten minutes. Ask the bot for a new one."
    return "This link has been used", "It works only once. Ask the bot for a new one."


def _said(headline: str, rest: str) -> str:
    return document(
        headline,
        f'<main class="alone"><h1>{escape(headline)}</h1>{_PRACTICE}'
        f'<div class="card"><p>{escape(rest)}</p></div></main>',
    )


def _app(account: Account) -> str:
    toolkit = TOOLKITS.get(account.toolkit)
    return toolkit.name if toolkit else account.toolkit


def _back(request: web.Request) -> web.Response:
    token = quote(request.match_info["token"], safe="")
    return web.Response(status=303, headers={"Location": f"/link/{token}"})
