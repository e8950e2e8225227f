"""What went wrong, in words for the person who asked."""

from __future__ import annotations

from storage.integrations import State

from ..mirror.errors import (
    ComposioBudgetError,
    ComposioBusyError,
    ComposioError,
    ComposioRefusedError,
    ComposioUnavailableError,
    IntegrationError,
    MissingRightError,
    NotAllowedHereError,
    NotConnectableError,
    NotConnectedError,
    OldButtonError,
    ProbeForbiddenError,
    Right,
    StorageUnavailableError,
    TooSoonError,
    Trouble,
    Unconnectable,
    UnknownProviderError,
)
from .text import clean, seconds_in_words, shorten

TROUBLE = {
    Trouble.TIMEOUT: " in time",
    Trouble.NETWORK: "",
    Trouble.SERVER: " properly; it seems to have trouble",
    Trouble.UNREADABLE: " in a way this bot can read",
    Trouble.UNSTABLE: " the same twice: the accounts kept changing while they were read",
}
_UNCONNECTABLE = {
    Unconnectable.NO_AUTH_CONFIG: "Composio has no auth config for this app yet, and this bot may not make one. "
    "Whoever runs this bot has to create it in Composio's dashboard.",
    Unconnectable.AUTH_CONFIG_GONE: "The auth config for this app no longer exists at Composio. Try again. "
    "Whoever runs this bot has to look at `auth_config` in the catalogue when that does not help.",
    Unconnectable.KEY: "This bot may not make links at Composio. "
    "Whoever runs this bot has to allow its API key to connect accounts.",
    Unconnectable.UNSUPPORTED: "Composio cannot connect this app by itself. Whoever runs this bot has to create "
    "an auth config with an app of their own in Composio's dashboard and to name it in the catalogue.",
}
_NOT_CONNECTED = {
    State.CONNECTED: "is connected.",
    State.NEEDS_RECONNECT: "needs reconnecting before it can be switched on or off.",
    State.NOT_CONNECTED: "is not connected, so there is nothing to switch on or off.",
    State.NEWER: "was changed by a newer version of this bot, which has to switch it.",
}


def for_error(error: IntegrationError) -> str:
    """The sentence that a person is told."""
    match error:
        case ComposioError():
            return _composio(error)
        case StorageUnavailableError():
            maybe = " It *may* have been stored all the same: look before you try again." if error.unknown else ""
            return f"Sorry, something is wrong with this bot's database.{maybe} Reference: `{error.reference}`"
        case NotAllowedHereError():
            return "This bot's integrations are not set up for this server."
        case MissingRightError(right=Right.ADMINISTRATOR):
            return "Only an administrator may do this."
        case MissingRightError(right=Right.MANAGE_SERVER):
            return "Only people with the permission **Manage Server** may do this."
        case UnknownProviderError():
            return _unknown(error)
        case NotConnectedError():
            return f"{clean(error.label)} {_NOT_CONNECTED[error.state]}"
        case TooSoonError():
            return f"You have just asked. {_again(error.retry_after)}"
        case OldButtonError():
            return "This button is from another version of the bot. Use `/integrations list`."
        case _:
            raise NotImplementedError(type(error).__name__)


def _composio(error: ComposioError) -> str:
    match error:
        case ProbeForbiddenError():
            return (
                "This bot's Composio key may not do checks. Whoever runs this bot has to allow it the area "
                "**Proxy execute**."
            )
        case ComposioRefusedError():
            return "Composio refused the API key. Whoever runs this bot has to check `COMPOSIO_API_KEY`."
        case ComposioBusyError():
            return f"Composio has had too many requests. {_again(error.retry_after)}"
        case ComposioBudgetError():
            return f"This bot has asked Composio as often as it may in a minute. {_again(error.retry_after)}"
        case NotConnectableError():
            return _UNCONNECTABLE[error.why]
        case ComposioUnavailableError():
            return f"Composio did not answer{TROUBLE[error.trouble]}."
        case _:
            raise NotImplementedError(type(error).__name__)


def _again(seconds: float | None) -> str:
    return f"Try again in {'a minute' if seconds is None else seconds_in_words(seconds)}."


def _unknown(error: UnknownProviderError) -> str:
    words = f"There is no integration called “{clean(shorten(error.text, 50))}”."
    if error.closest:
        words += f" Did you mean {' or '.join(f'**{clean(label)}**' for label in error.closest)}?"
    return words
