"""Every error has a sentence for people."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from cogs.integrations.chat.troubles import for_error
from cogs.integrations.mirror import errors
from cogs.integrations.mirror.errors import (
    ComposioBudgetError,
    ComposioBusyError,
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
from storage.integrations import State

ERRORS: list[IntegrationError] = [
    ComposioRefusedError("status 401"),
    ComposioBusyError(None),
    ComposioBusyError(8.0),
    ComposioBudgetError(12.0),
    *(ComposioUnavailableError(trouble, "status 500, request req_1") for trouble in Trouble),
    *(NotConnectableError(why) for why in Unconnectable),
    ProbeForbiddenError("status 403"),
    StorageUnavailableError("1a2b3c4d"),
    NotAllowedHereError(),
    *(MissingRightError(right) for right in Right),
    UnknownProviderError("gmial"),
    UnknownProviderError("gmial", ("Gmail", "Linear")),
    *(NotConnectedError("Gmail", state) for state in State),
    TooSoonError(3.2),
    OldButtonError(),
]


def leaves(base: type[IntegrationError]) -> Iterator[type[IntegrationError]]:
    for child in base.__subclasses__():
        if child.__subclasses__():
            yield from leaves(child)
        elif child.__module__ == errors.__name__ and getattr(errors, child.__name__) is child:
            yield child


def test_every_error_is_tried_below() -> None:
    ours = {error for error in leaves(IntegrationError) if error.__module__.endswith(".mirror.errors")}
    assert {type(error) for error in ERRORS} == {*ours, ComposioUnavailableError}


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_every_error_has_a_sentence_for_people(error: IntegrationError) -> None:
    said = for_error(error)

    assert re.fullmatch(r"[A-Z“].+(\.|\?|`)", said)
    assert type(error).__name__ not in said
    assert "None" not in said


def test_no_two_errors_are_told_in_the_same_words() -> None:
    said = [for_error(error) for error in ERRORS]

    assert len(set(said)) == len(said)


@pytest.mark.parametrize("trouble", Trouble)
def test_the_detail_of_a_trouble_is_for_the_log_alone(trouble: Trouble) -> None:
    assert "req_1" not in for_error(ComposioUnavailableError(trouble, "status 500, request req_1"))


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (ComposioRefusedError(), "`COMPOSIO_API_KEY`"),
        (ComposioBusyError(8.0), "in 8 seconds"),
        (ComposioBusyError(0.2), "in 1 second."),
        (ComposioBusyError(None), "in a minute"),
        (ComposioBusyError(240.0), "in 4 minutes"),
        (ComposioBudgetError(12.0), "Try again in 12 seconds."),
        *((NotConnectableError(why), "Whoever runs this bot has to") for why in Unconnectable),
        (TooSoonError(3.2), "in 3 seconds"),
        (StorageUnavailableError("1a2b3c4d"), "`1a2b3c4d`"),
        (MissingRightError(Right.MANAGE_SERVER), "**Manage Server**"),
        (MissingRightError(Right.ADMINISTRATOR), "administrator"),
        (UnknownProviderError("gmial", ("Gmail", "Linear")), "**Gmail** or **Linear**"),
        (NotConnectedError("Gmail", State.NOT_CONNECTED), "Gmail is not connected"),
        (NotConnectedError("Gmail", State.NEEDS_RECONNECT), "Gmail needs reconnecting"),
        (NotConnectedError("Gmail", State.NEWER), "newer version of this bot"),
    ],
    ids=repr,
)
def test_a_sentence_says_what_helps(error: IntegrationError, part: str) -> None:
    assert part in for_error(error)
