"""The apps that the stand-in knows: what they are called, and how each tells who is signed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.sandbox.model import Body


@dataclass(frozen=True)
class Toolkit:
    """An app of Composio's. ``whoami`` is what Composio names for it; not every app has such an endpoint.

    ``tells`` is what the provider answers there, or at `asked`, to whoever is signed in as that owner.
    """

    name: str
    whoami: str | None = None
    method: str = "GET"
    tells: Callable[[str], Body] | None = None
    asked: str | None = None

    def answers(self, endpoint: str, method: str) -> Callable[[str], Body] | None:
        """What tells who is signed in when that is asked; None when the provider has nothing there."""
        known = (endpoint, method) == (self.whoami or self.asked, self.method)
        return self.tells if known else None


def _gmail(owner: str) -> Body:
    return {"emailAddress": owner, "messagesTotal": 1482, "threadsTotal": 947, "historyId": "218934"}


def _drive(owner: str) -> Body:
    user = {"kind": "drive#user", "displayName": _login(owner), "me": True, "permissionId": "0123456789"}
    return {"user": user | {"emailAddress": owner}}


def _calendar(owner: str) -> Body:
    return {"kind": "calendar#calendar", "id": owner, "summary": owner, "timeZone": "Europe/Berlin"}


def _github(owner: str) -> Body:
    return {"login": _login(owner), "id": 583231, "type": "User", "name": None, "email": None}


def _notion(owner: str) -> Body:
    person = {"object": "user", "id": "2b9c", "name": _login(owner), "type": "person", "person": {"email": owner}}
    bot = {"owner": {"type": "user", "user": person}, "workspace_name": "Workshop"}
    return {"object": "user", "id": "7f3a", "name": "Composio", "type": "bot", "bot": bot}


def _linear(owner: str) -> Body:
    return {"data": {"viewer": {"id": "5d1e", "name": _login(owner), "email": owner}}}


def _login(owner: str) -> str:
    return owner.partition("@")[0]


# Slack is an app of Composio's that the bot's catalogue does not know.
TOOLKITS = {
    "gmail": Toolkit("Gmail", "https://gmail.googleapis.com/gmail/v1/users/me/profile", tells=_gmail),
    "googledocs": Toolkit("Google Docs"),
    "googlesheets": Toolkit("Google Sheets"),
    "googledrive": Toolkit("Google Drive", "https://www.googleapis.com/drive/v3/about?fields=user", tells=_drive),
    "googlecalendar": Toolkit(
        "Google Calendar", "https://www.googleapis.com/calendar/v3/calendars/primary", tells=_calendar
    ),
    "github": Toolkit("GitHub", "https://api.github.com/user", tells=_github),
    "notion": Toolkit("Notion", "https://api.notion.com/v1/users/me", tells=_notion),
    "linear": Toolkit("Linear", None, "POST", _linear, "https://api.linear.app/graphql"),
    "slack": Toolkit("Slack"),
}
