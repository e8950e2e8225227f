"""The settings: where they come from, and the one line that a mistake is told in."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.settings import BotSettings
from cogs.integrations.mirror.errors import SettingsError
from cogs.integrations.settings import EnvironmentSettings, IntegrationsSettings

pytestmark = pytest.mark.quick

KEY = {"COMPOSIO_API_KEY": "ak_secret"}
NAMES = (
    "COMPOSIO_API_KEY",
    "COMPOSIO_BASE_URL",
    "INTEGRATIONS_COMPOSIO_USER_ID",
    "INTEGRATIONS_GUILD_IDS",
    "INTEGRATIONS_DATABASE_URL",
    "INTEGRATIONS_DASHBOARD_URL",
    "INTEGRATIONS_HISTORY_DAYS",
    "INTEGRATIONS_FORGET_DAYS",
    "INTEGRATIONS_REQUESTS_PER_MINUTE",
    "INTEGRATIONS_CATALOG",
    "DISCORD_TOKEN",
)


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """None of our variables, and a working directory without a `.env`."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def export(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def refusal(settings: type[EnvironmentSettings] = IntegrationsSettings, **given: Any) -> str:
    """The line that is said about wrong settings."""
    with pytest.raises(SettingsError) as caught:
        settings.read(**given)
    message = str(caught.value)
    assert "\n" not in message
    return message


# Where they come from


def test_the_api_key_is_all_that_must_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    export(monkeypatch, KEY)

    settings = IntegrationsSettings.read()

    assert settings.api_key.get_secret_value() == "ak_secret"
    assert settings.base_url == "https://backend.composio.dev"
    assert settings.user_id == "peterbot-user"
    assert settings.guild_ids == frozenset()
    assert settings.database_url.get_secret_value() == "sqlite+aiosqlite:///integrations.db"
    assert settings.dashboard_url == "https://app.composio.dev/accounts"
    assert settings.history_days == 90
    assert settings.forget_days == 30
    assert settings.requests_per_minute == 600
    assert settings.catalog is None


def test_every_setting_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    export(
        monkeypatch,
        {
            "COMPOSIO_API_KEY": "ak_other",
            "COMPOSIO_BASE_URL": "https://composio.example",
            "INTEGRATIONS_COMPOSIO_USER_ID": "team",
            "INTEGRATIONS_GUILD_IDS": "7",
            "INTEGRATIONS_DATABASE_URL": "sqlite+aiosqlite:///other.db",
            "INTEGRATIONS_DASHBOARD_URL": "https://dashboard.example/accounts",
            "INTEGRATIONS_HISTORY_DAYS": "7",
            "INTEGRATIONS_FORGET_DAYS": "8",
            "INTEGRATIONS_REQUESTS_PER_MINUTE": "90",
            "INTEGRATIONS_CATALOG": "apps.toml",
        },
    )

    settings = IntegrationsSettings.read()

    assert settings.api_key.get_secret_value() == "ak_other"
    assert settings.base_url == "https://composio.example"
    assert settings.user_id == "team"
    assert settings.guild_ids == {7}
    assert settings.database_url.get_secret_value() == "sqlite+aiosqlite:///other.db"
    assert settings.dashboard_url == "https://dashboard.example/accounts"
    assert settings.history_days == 7
    assert settings.forget_days == 8
    assert settings.requests_per_minute == 90
    assert settings.catalog == Path("apps.toml")


def test_the_bot_reads_its_token_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    export(monkeypatch, {"DISCORD_TOKEN": "a.b.c"})

    assert BotSettings.read().token.get_secret_value() == "a.b.c"


def test_settings_are_read_from_a_file_as_well(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# mine\nCOMPOSIO_API_KEY='ak_file'\nSOMETHING_ELSE=1\n", encoding="utf-8")

    assert IntegrationsSettings.read().api_key.get_secret_value() == "ak_file"


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("COMPOSIO_API_KEY=ak_file\n", encoding="utf-8")
    export(monkeypatch, KEY)

    assert IntegrationsSettings.read().api_key.get_secret_value() == "ak_secret"


def test_given_settings_win_over_the_environment_and_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("INTEGRATIONS_COMPOSIO_USER_ID=file\n", encoding="utf-8")
    export(monkeypatch, KEY)

    settings = IntegrationsSettings.read(COMPOSIO_API_KEY="ak_given", INTEGRATIONS_COMPOSIO_USER_ID="given")

    assert (settings.api_key.get_secret_value(), settings.user_id) == ("ak_given", "given")


def test_given_settings_need_no_environment() -> None:
    settings = IntegrationsSettings.read(COMPOSIO_API_KEY="ak_given", INTEGRATIONS_GUILD_IDS="1,2")

    assert settings.api_key.get_secret_value() == "ak_given"
    assert settings.guild_ids == {1, 2}


def test_the_variables_of_a_host_bot_are_not_taken_for_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = {"DATABASE_URL": "postgresql://host", "USER_ID": "host", "CATALOG": "host", "BASE_URL": "https://host"}
    export(monkeypatch, KEY | hosts | {"API_KEY": "host", "GUILD_IDS": "8", "DASHBOARD_URL": "https://host"})

    settings = IntegrationsSettings.read()

    assert settings == IntegrationsSettings.read(**KEY)
    assert settings.database_url.get_secret_value() == "sqlite+aiosqlite:///integrations.db"
    assert (settings.user_id, settings.catalog, settings.guild_ids) == ("peterbot-user", None, frozenset())


def test_a_hosts_token_is_not_taken_for_the_bots(monkeypatch: pytest.MonkeyPatch) -> None:
    export(monkeypatch, {"TOKEN": "host"})

    assert refusal(BotSettings).startswith("DISCORD_TOKEN is missing: ")


# What is missing


@pytest.mark.parametrize("variables", [{}, {"COMPOSIO_API_KEY": ""}], ids=["unset", "empty"])
def test_a_missing_key_is_named_with_where_to_get_one(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    export(monkeypatch, variables)

    assert refusal() == "COMPOSIO_API_KEY is missing: copy the project's API key from Composio's dashboard"


@pytest.mark.parametrize("variables", [{}, {"DISCORD_TOKEN": ""}], ids=["unset", "empty"])
def test_a_missing_token_is_named_with_where_to_get_one(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    export(monkeypatch, variables)

    assert (
        refusal(BotSettings) == "DISCORD_TOKEN is missing: copy the bot's token from the Discord developer portal"
    )


def test_empty_variables_count_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    export(monkeypatch, dict.fromkeys(NAMES, "") | KEY)

    assert IntegrationsSettings.read() == IntegrationsSettings.read(**KEY)
    assert IntegrationsSettings.read().catalog is None


def test_an_empty_variable_leaves_the_files_value_in_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("COMPOSIO_API_KEY=ak_file\n", encoding="utf-8")
    export(monkeypatch, {"COMPOSIO_API_KEY": ""})

    assert IntegrationsSettings.read().api_key.get_secret_value() == "ak_file"


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"COMPOSIO_API_KEY=caf\xe9\n")

    assert refusal().startswith(".env cannot be read: it is not UTF-8")


# What is wrong

WRONG = {
    "a key of two words": ("COMPOSIO_API_KEY", "ak_one two", "copy it again"),
    "a key of two lines": ("COMPOSIO_API_KEY", "ak_one\ntwo", "copy it again"),
    "a key with an accent": ("COMPOSIO_API_KEY", "ak_oné", "copy it again"),
    "a blank key": ("COMPOSIO_API_KEY", "  ", "copy it again"),
    "an unencrypted API": ("COMPOSIO_BASE_URL", "http://backend.composio.dev", "must begin with https://"),
    "an API that looks local": ("COMPOSIO_BASE_URL", "http://127.0.0.1.example", "must begin with https://"),
    "an API without scheme": ("COMPOSIO_BASE_URL", "backend.composio.dev", "begins with https://"),
    "an API without host": ("COMPOSIO_BASE_URL", "https://", "begins with https://"),
    "an API of another scheme": ("COMPOSIO_BASE_URL", "ftp://composio.example", "begins with https://"),
    "an API with a user name": ("COMPOSIO_BASE_URL", "https://me:secret@composio.dev", "without a user name"),
    "an API with only a password": ("COMPOSIO_BASE_URL", "https://:secret@composio.dev", "without a user name"),
    "an API at no port": ("COMPOSIO_BASE_URL", "https://composio.example:99999", "begins with https://"),
    "an API with a space": ("COMPOSIO_BASE_URL", "https://composio.example /", "without spaces"),
    "an API with a broken host": ("COMPOSIO_BASE_URL", "https://[composio", "begins with https://"),
    "a user id of two words": ("INTEGRATIONS_COMPOSIO_USER_ID", "peter bot", "spaces, commas and backticks"),
    "a user id with a comma": ("INTEGRATIONS_COMPOSIO_USER_ID", "peter,bot", "spaces, commas and backticks"),
    "a user id with a backtick": ("INTEGRATIONS_COMPOSIO_USER_ID", "peter`bot", "spaces, commas and backticks"),
    "a blank user id": ("INTEGRATIONS_COMPOSIO_USER_ID", "  ", "1 to 200 printable characters"),
    "a user id of two lines": ("INTEGRATIONS_COMPOSIO_USER_ID", "peter\nbot", "1 to 200 printable characters"),
    "a long user id": ("INTEGRATIONS_COMPOSIO_USER_ID", "x" * 201, "1 to 200 printable characters"),
    "a user id that becomes too long": (
        "INTEGRATIONS_COMPOSIO_USER_ID",
        "{guild_id}" * 11,
        "1 to 200 printable characters",
    ),
    "another placeholder": ("INTEGRATIONS_COMPOSIO_USER_ID", "{guild}", "the only placeholder is {guild_id}"),
    "a broken placeholder": ("INTEGRATIONS_COMPOSIO_USER_ID", "{guild_id", "the only placeholder is {guild_id}"),
    "a doubled placeholder": (
        "INTEGRATIONS_COMPOSIO_USER_ID",
        "{{guild_id}}",
        "the only placeholder is {guild_id}",
    ),
    "a server's name": ("INTEGRATIONS_GUILD_IDS", "1, workshop", "'workshop' is not a server id"),
    "servers without commas": ("INTEGRATIONS_GUILD_IDS", "1 2", "'1 2' is not a server id"),
    "a negative server": ("INTEGRATIONS_GUILD_IDS", "-1", "'-1' is not a server id"),
    "a server in other digits": ("INTEGRATIONS_GUILD_IDS", "٣", "'٣' is not a server id"),
    "a server id that is too long": ("INTEGRATIONS_GUILD_IDS", "9" * 21, "is not a server id"),
    "a history of no days": ("INTEGRATIONS_HISTORY_DAYS", "0", "greater than or equal to 1"),
    "a history of many days": ("INTEGRATIONS_HISTORY_DAYS", "36501", "less than or equal to 36500"),
    "a history in words": ("INTEGRATIONS_HISTORY_DAYS", "ninety", "valid integer"),
    "servers forgotten before they are left": ("INTEGRATIONS_FORGET_DAYS", "-1", "greater than or equal to 0"),
    "servers remembered for many days": ("INTEGRATIONS_FORGET_DAYS", "36501", "less than or equal to 36500"),
    "servers remembered in words": ("INTEGRATIONS_FORGET_DAYS", "a month", "valid integer"),
    "servers remembered for half a day": ("INTEGRATIONS_FORGET_DAYS", "0.5", "valid integer"),
    "too few requests": ("INTEGRATIONS_REQUESTS_PER_MINUTE", "9", "greater than or equal to 10"),
    "too many requests": ("INTEGRATIONS_REQUESTS_PER_MINUTE", "100001", "less than or equal to 100000"),
    "a dashboard that is a script": ("INTEGRATIONS_DASHBOARD_URL", "javascript:alert(1)", "begins with https://"),
    "a dashboard with a space": ("INTEGRATIONS_DASHBOARD_URL", "https://x.example/a b", "without spaces"),
    "a dashboard too long for a button": (
        "INTEGRATIONS_DASHBOARD_URL",
        "https://x.example/".ljust(513, "a"),
        "at most 512 characters",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_setting_is_told_in_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    name, value, reason = WRONG[case]
    export(monkeypatch, KEY | {name: value})

    message = refusal()

    assert message.startswith(f"{name} is wrong: ")
    assert reason in message


def test_a_wrong_setting_of_the_file_is_named_by_its_variable(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("composio_api_key=ak\nintegrations_guild_ids=x\n", encoding="utf-8")

    assert refusal().startswith("INTEGRATIONS_GUILD_IDS is wrong: ")


def test_a_wrong_given_setting_is_named_by_its_variable() -> None:
    assert refusal(COMPOSIO_API_KEY=7).startswith("COMPOSIO_API_KEY is wrong: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COMPOSIO_API_KEY", "hunter2 hunter2"),
        ("COMPOSIO_API_KEY", "hunter2\nhunter2"),
        ("COMPOSIO_BASE_URL", "https://peter:hunter2@composio.example"),
        ("COMPOSIO_BASE_URL", "http://composio.example/hunter2"),
    ],
)
def test_no_secret_shows_in_the_message_or_the_traceback(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    export(monkeypatch, KEY | {name: value})

    with pytest.raises(SettingsError) as caught:
        IntegrationsSettings.read()

    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("settings", [IntegrationsSettings, BotSettings])
def test_a_traceback_shows_no_other_error_behind_it(settings: type[EnvironmentSettings]) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.read()

    assert "ValidationError" not in "".join(traceback.format_exception(caught.value))


def test_settings_can_be_printed_without_showing_a_secret() -> None:
    settings = IntegrationsSettings.read(
        COMPOSIO_API_KEY="hunter2", INTEGRATIONS_DATABASE_URL="postgresql+asyncpg://bot:hunter2@host/bot"
    )

    assert "hunter2" not in f"{settings} {settings!r}"


# What is right


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("1", {1}),
        ("1,2", {1, 2}),
        (" 1 ,\t2 , 3 ", {1, 2, 3}),
        ("1,2,", {1, 2}),
        ("7,7", {7}),
        ("18446744073709551615", {18446744073709551615}),
        (" , ", set()),
    ],
)
def test_servers_are_numbers_with_commas_between_them(
    monkeypatch: pytest.MonkeyPatch, text: str, ids: set[int]
) -> None:
    export(monkeypatch, KEY | {"INTEGRATIONS_GUILD_IDS": text})

    assert IntegrationsSettings.read().guild_ids == ids


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "127.0.0.1:1", "[::1]:8080", "LOCALHOST"])
def test_a_server_on_this_machine_needs_no_encryption(host: str) -> None:
    assert IntegrationsSettings.read(**KEY, COMPOSIO_BASE_URL=f"http://{host}").base_url == f"http://{host}"


@pytest.mark.parametrize("days", [0, 36_500])
def test_a_left_server_may_be_forgotten_at_once_or_after_a_hundred_years(days: int) -> None:
    assert IntegrationsSettings.read(**KEY, INTEGRATIONS_FORGET_DAYS=str(days)).forget_days == days


def test_a_slash_at_the_end_of_the_apis_address_is_taken_off() -> None:
    settings = IntegrationsSettings.read(**KEY, COMPOSIO_BASE_URL="https://composio.example/")

    assert settings.base_url == "https://composio.example"


def test_a_link_to_the_dashboard_may_be_as_long_as_a_button_takes() -> None:
    longest = "https://x.example/".ljust(512, "a")

    assert IntegrationsSettings.read(**KEY, INTEGRATIONS_DASHBOARD_URL=longest).dashboard_url == longest


@pytest.mark.parametrize("user_id", ["peterbot-user", "{guild_id}", "server-{guild_id}-bot", "x" * 200, "péter"])
def test_a_user_id_may_hold_the_servers_id(user_id: str) -> None:
    assert IntegrationsSettings.read(**KEY, INTEGRATIONS_COMPOSIO_USER_ID=user_id).user_id == user_id


def test_spaces_around_key_and_user_id_are_taken_off() -> None:
    settings = IntegrationsSettings.read(COMPOSIO_API_KEY=" ak ", INTEGRATIONS_COMPOSIO_USER_ID=" team ")

    assert (settings.api_key.get_secret_value(), settings.user_id) == ("ak", "team")


# Whose integrations a server sees


def test_a_shared_user_without_servers_is_refused_before_anything_is_opened() -> None:
    settings = IntegrationsSettings.read(**KEY)

    with pytest.raises(SettingsError, match="INTEGRATIONS_GUILD_IDS is missing"):
        _ = settings.tenancy


def test_a_shared_user_belongs_to_the_servers_that_are_named() -> None:
    settings = IntegrationsSettings.read(**KEY, INTEGRATIONS_GUILD_IDS="1,2")

    assert settings.tenancy.composio_user_id(2) == "peterbot-user"


def test_a_user_for_each_server_needs_no_list_of_servers() -> None:
    settings = IntegrationsSettings.read(**KEY, INTEGRATIONS_COMPOSIO_USER_ID="server-{guild_id}")

    assert settings.tenancy.composio_user_id(5) == "server-5"
