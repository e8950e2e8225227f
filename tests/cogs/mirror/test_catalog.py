"""The built-in catalogue, and finding a provider in one."""

from __future__ import annotations

import pytest

from cogs.integrations.mirror.catalog import DEFAULT, Catalog, Provider
from cogs.integrations.mirror.errors import CatalogError, UnknownProviderError


def provider(id: str, label: str = "", category: str = "Apps", *toolkits: str) -> Provider:  # noqa: A002
    return Provider(
        id=id,
        label=label or id.title(),
        category=category,
        description="Needed",
        toolkits=toolkits or (id,),
    )


# The built-in catalogue

TABLE = {
    "gmail": ("Gmail", "Required", "Required for email processing and notifications"),
    "googledocs": ("Google Docs", "Documents", "Needed to read, create, and edit Google Documents"),
    "googlesheets": ("Google Sheets", "Documents", "Needed for spreadsheet data processing"),
    "google_drive": ("Google Drive", "Documents", "Required for file storage and retrieval"),
    "googlecalendar": ("Google Calendar", "Scheduling", "Needed for scheduling and calendar events"),
    "github": ("GitHub", "Development", "Required for code repository management"),
}


@pytest.mark.parametrize("id_", TABLE)
def test_a_built_in_provider_is_as_it_was_designed(id_: str) -> None:
    found = DEFAULT.by_id[id_]

    assert (found.label, found.category, found.description) == TABLE[id_]


def test_the_built_in_providers_come_in_the_designed_order() -> None:
    assert [each.id for each in DEFAULT.providers] == [*TABLE, "notion", "linear"]


def test_notion_and_linear_are_for_productivity() -> None:
    assert [each.label for each in DEFAULT.categories["Productivity"]] == ["Notion", "Linear"]


def test_only_gmail_is_required() -> None:
    assert [each.id for each in DEFAULT.providers if each.required] == ["gmail"]


def test_the_categories_come_in_the_designed_order() -> None:
    assert list(DEFAULT.categories) == ["Required", "Documents", "Scheduling", "Development", "Productivity"]


def test_google_drive_answers_to_both_slugs_and_every_other_provider_to_its_id() -> None:
    assert {slug: each.id for slug, each in DEFAULT.by_toolkit.items()} == {
        "gmail": "gmail",
        "googledocs": "googledocs",
        "googlesheets": "googlesheets",
        "googledrive": "google_drive",
        "google_drive": "google_drive",
        "googlecalendar": "googlecalendar",
        "github": "github",
        "notion": "notion",
        "linear": "linear",
    }


# Finding


@pytest.mark.parametrize(
    "text", ["google_drive", "GOOGLE_DRIVE", "Google Drive", "google drive", "  Google Drive\t"]
)
def test_a_provider_is_found_by_id_or_label_in_any_case(text: str) -> None:
    assert DEFAULT.find(text).id == "google_drive"


def test_a_misspelt_provider_is_refused_with_the_label_that_comes_closest() -> None:
    with pytest.raises(UnknownProviderError) as caught:
        DEFAULT.find(" gmial ")

    assert (caught.value.text, caught.value.closest[0]) == ("gmial", "Gmail")


def test_at_most_three_labels_are_offered_each_once() -> None:
    with pytest.raises(UnknownProviderError) as caught:
        DEFAULT.find("google")

    closest = caught.value.closest
    assert 1 <= len(closest) <= 3
    assert len(set(closest)) == len(closest)


@pytest.mark.parametrize("text", ["", "   ", "qqqqqqqq", "💥"])
def test_what_resembles_nothing_is_refused_without_an_offer(text: str) -> None:
    with pytest.raises(UnknownProviderError) as caught:
        DEFAULT.find(text)

    assert caught.value.closest == ()


def test_matches_at_the_beginning_come_before_matches_inside_and_those_before_the_category() -> None:
    catalog = Catalog(
        (
            provider("trello", category="Pages"),
            provider("my-page"),
            provider("pager"),
            provider("confluence", "Page Store"),
            provider("slack"),
        )
    )

    assert [each.id for each in catalog.matching("PAGE")] == ["pager", "confluence", "my-page", "trello"]


def test_an_empty_text_matches_everything_in_catalogue_order() -> None:
    assert DEFAULT.matching(" ") == list(DEFAULT.providers)


def test_a_text_that_is_nowhere_matches_nothing() -> None:
    assert DEFAULT.matching("zzz") == []


# What could not be told apart


def test_a_catalogue_in_code_is_refused_for_the_same_reasons() -> None:
    with pytest.raises(CatalogError, match="the toolkit 'mail' is taken already"):
        Catalog((provider("gmail", "Gmail", "Apps", "mail"), provider("mail")))
