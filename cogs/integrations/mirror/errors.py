"""What can go wrong, as types that carry data. The words for people are in `words`."""

from __future__ import annotations

from enum import Enum, auto

from storage.integrations import State


class SettingsError(Exception):
    """A setting is missing or wrong; the message is one line that names it and says what to do."""


class CatalogError(SettingsError):
    """The catalogue file is wrong; the message names the file, the line where known, and the reason."""


class IntegrationError(Exception):
    """Something that a person is told about; the base of all below."""


class ComposioError(IntegrationError):
    """Composio could not be asked; nothing was changed here."""


class ComposioRefusedError(ComposioError):
    """Composio answered 401 or 403."""


class ComposioBusyError(ComposioError):
    """Composio answered 429; ``retry_after`` is in seconds, None when it did not say."""

    def __init__(self, retry_after: float | None) -> None:
        super().__init__(f"retry after {retry_after} s")
        self.retry_after = retry_after


class ComposioBudgetError(ComposioError):
    """We have asked Composio as often as we may in a minute; ``retry_after`` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"no request left for {retry_after:.1f} s")
        self.retry_after = retry_after


class Unconnectable(Enum):
    """Why no link can be made, which only whoever runs the bot can mend."""

    NO_AUTH_CONFIG = auto()
    """The toolkit has none, and the key may not make one."""
    AUTH_CONFIG_GONE = auto()
    """The one that was named does not exist (any more)."""
    KEY = auto()
    """The key may not make links."""
    UNSUPPORTED = auto()
    """Composio has no app of its own for this toolkit; it needs an auth config with the operator's."""


class NotConnectableError(ComposioError):
    """Composio was asked, and makes no link; nothing was made there."""

    def __init__(self, why: Unconnectable) -> None:
        super().__init__(why.name.lower())
        self.why = why


class ProbeForbiddenError(ComposioError):
    """The key may not send requests through Composio's proxy."""


class Trouble(Enum):
    """Why no usable answer came."""

    TIMEOUT = auto()
    NETWORK = auto()
    SERVER = auto()
    UNREADABLE = auto()
    UNSTABLE = auto()


class ComposioUnavailableError(ComposioError):
    """No usable answer came; ``detail`` is for the log and holds nothing secret."""

    def __init__(self, trouble: Trouble, detail: str) -> None:
        super().__init__(f"{trouble.name.lower()}: {detail}")
        self.trouble = trouble


class StorageUnavailableError(IntegrationError):
    """The database failed; ``reference`` is what the log calls it.

    ``unknown`` says that it may have stored what it was told all the same.
    """

    def __init__(self, reference: str, *, unknown: bool = False) -> None:
        super().__init__(reference)
        self.reference = reference
        self.unknown = unknown


class NotAllowedHereError(IntegrationError, LookupError):
    """The bot's integrations are not meant for this server.

    A `LookupError` too: that a host can catch even after a reload, which makes a new class of this one.
    """


class Right(Enum):
    """What a person needs to be allowed to do here."""

    MANAGE_SERVER = auto()
    ADMINISTRATOR = auto()


class MissingRightError(IntegrationError):
    """The person may not do this."""

    def __init__(self, right: Right) -> None:
        super().__init__(right.name)
        self.right = right


class UnknownProviderError(IntegrationError):
    """No provider is called *text*; ``closest`` are labels that come near."""

    def __init__(self, text: str, closest: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.text = text
        self.closest = closest


class NotConnectedError(IntegrationError):
    """The switch of a provider that is not connected cannot be moved."""

    def __init__(self, label: str, state: State) -> None:
        super().__init__(label)
        self.label = label
        self.state = state


class TooSoonError(IntegrationError):
    """The person has just done this; ``retry_after`` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"{retry_after:.0f} s")
        self.retry_after = retry_after


class OldButtonError(IntegrationError):
    """A button whose meaning this version does not know."""
