"""Whose an account is: said only where the answer has a name in a known place."""

from __future__ import annotations

from typing import Any

import pytest

from cogs.integrations.mirror.whose import has_errors, whom
from storage.integrations import NAME_LENGTH

ANNA = "anna@example.com"


@pytest.mark.parametrize(
    ("toolkit", "data"),
    [
        ("gmail", {"emailAddress": ANNA}),
        ("googledrive", {"user": {"emailAddress": ANNA, "displayName": "Anna"}}),
        ("github", {"login": ANNA, "email": None}),
        ("notion", {"bot": {"owner": {"user": {"person": {"email": ANNA}}}, "workspace_name": "Workshop"}}),
        ("notion", {"bot": {"owner": {"workspace": True}, "workspace_name": ANNA}}),
        ("linear", {"viewer": {"email": ANNA}}),
        ("linear", {"data": {"viewer": {"email": ANNA}}}),
    ],
)
def test_the_name_is_read_where_the_app_is_known_to_have_it(toolkit: str, data: Any) -> None:
    assert whom(data, toolkit, None) == ANNA


def test_where_the_catalogue_says_it_lies_wins() -> None:
    data = {"emailAddress": "somebody@example.com", "me": {"mail": ANNA}}

    assert whom(data, "gmail", "me.mail") == ANNA
    assert whom(data, "gmail", "me.phone") is None


@pytest.mark.parametrize(
    "data",
    [
        None,
        "a page",
        5,
        [],
        [{"emailAddress": ANNA}],
        {},
        {"email": ANNA},
        {"emailAddress": None},
        {"emailAddress": ""},
        {"emailAddress": " \n "},
        {"emailAddress": 5},
        {"emailAddress": {"value": ANNA}},
        {"emailAddress": [ANNA]},
        {"emailAddress": "a" * (NAME_LENGTH + 1)},
    ],
    ids=lambda data: str(data)[:40],
)
def test_a_shape_that_is_not_known_is_no_name(data: Any) -> None:
    assert whom(data, "gmail", None) is None


@pytest.mark.parametrize("data", ["a page", {"user": "a page"}, {"user": None}, {"user": []}], ids=str)
def test_what_lies_deeper_is_no_name_where_nothing_is(data: Any) -> None:
    assert whom(data, "googledrive", None) is None


def test_an_app_that_is_not_known_has_no_name() -> None:
    assert whom({"emailAddress": ANNA, "login": ANNA}, "slack", None) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [("an\nna", "an na"), ("an\u202ena", "an na"), ("an\x00na", "an na"), ("  anna ", "anna"), ("\ud800a", "a")],
    ids=ascii,
)
def test_a_name_is_one_visible_line(text: str, shown: str) -> None:
    assert whom({"login": text}, "github", None) == shown


def test_the_longest_name_is_as_long_as_the_database_holds() -> None:
    assert whom({"login": "a" * NAME_LENGTH}, "github", None) == "a" * NAME_LENGTH


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"errors": [{"message": "no"}]}, True),
        ({"errors": [{"message": "no"}], "data": {"viewer": None}}, True),
        ({"ok": False, "error": "invalid_auth"}, True),
        ({"ok": True, "user": "anna"}, False),
        ({"ok": None}, False),
        ({"errors": []}, False),
        ({"errors": None, "data": {}}, False),
        ({}, False),
        ([], False),
        ("errors", False),
        (None, False),
    ],
    ids=str,
)
def test_some_tell_of_errors_in_a_good_answer(data: Any, expected: bool) -> None:
    assert has_errors(data) is expected
