"""The house: how long a file and a function may be, and which way the arrows go."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN, STORAGE = "cogs.integrations", "storage.integrations"
LINES, FUNCTION, TEST_LINES = 300, 30, 400
LOWER = ("discord", "sqlalchemy", "sqlmodel", "alembic", "aiosqlite", "asyncpg")
WEB = ("composio_client", "composio", "httpx", "aiohttp")
# discord.py lets what aiohttp raises through.
KNOWS_AIOHTTP = f"{PLUGIN}.chat.posting"


@dataclass(frozen=True)
class Module:
    """A file of ours, and what it imports."""

    name: str
    path: Path

    @property
    def tree(self) -> ast.Module:
        return _parsed(self.path)

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    def imports(self, *, at_once: bool = False) -> set[str]:
        """The absolute names; *at_once* only those that importing the file imports too."""
        nodes = _top_level(self.tree) if at_once else ast.walk(self.tree)
        return {name for node in nodes for name in self._named(node)}

    def _named(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = self._base(node.level)
            module = ".".join(part for part in (base, node.module) if part)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)

    def _base(self, level: int) -> str:
        if not level:
            return ""
        parts = self.name.split(".")
        return ".".join(parts[: len(parts) - level + self.is_package])


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _top_level(tree: ast.Module) -> Iterator[ast.AST]:
    """What runs when the module is imported, type checking aside."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def modules(folder: str) -> list[Module]:
    files = sorted((ROOT / folder).rglob("*.py"))
    return [Module(".".join(file.relative_to(ROOT).with_suffix("").parts), file) for file in files]


OURS = [
    Module(module.name.removesuffix(".__init__"), module.path)
    for folder in ("cogs", "storage", "bot")
    for module in modules(folder)
]
BY_NAME = {module.name: module for module in OURS}


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def room(*packages: str) -> list[Module]:
    found = [module for module in OURS if within(module.name, *packages)]
    assert found
    return found


def named(modules: list[Module]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("module", modules, ids=lambda module: module.name)


def forbidden(module: Module, *packages: str) -> set[str]:
    return {name for name in module.imports() if within(name, *packages)}


# Sizes


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def too_long(path: Path) -> list[str]:
    return [
        f"{path.name}:{node.lineno} {node.name}"
        for node in functions(_parsed(path))
        if (node.end_lineno or node.lineno) - node.lineno + 1 > FUNCTION
    ]


@named(OURS)
def test_a_file_is_read_in_one_go(module: Module) -> None:
    assert len(module.path.read_text("utf-8").splitlines()) <= LINES
    assert too_long(module.path) == []


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda path: path.stem)
def test_a_file_of_tests_is_read_in_one_go(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= TEST_LINES


# Arrows


@named(room("cogs", "storage"))
def test_nothing_of_the_plugin_imports_the_bot(module: Module) -> None:
    assert forbidden(module, "bot", "tests") == set()


@named(room(STORAGE))
def test_the_storage_knows_neither_discord_nor_composio_nor_the_plugin(module: Module) -> None:
    assert forbidden(module, "cogs", "discord", *WEB) == set()


@named(room(f"{PLUGIN}.mirror"))
def test_the_mirror_knows_neither_discord_nor_sql_nor_http(module: Module) -> None:
    assert forbidden(module, *LOWER, *WEB) == set()


@named(room(f"{PLUGIN}.mirror"))
def test_the_mirror_knows_none_of_the_other_rooms(module: Module) -> None:
    inside = {name for name in module.imports() if within(name, PLUGIN)}

    assert all(within(name, f"{PLUGIN}.mirror", f"{PLUGIN}.names") or name == PLUGIN for name in inside)


@named([module for module in room(PLUGIN) if not within(module.name, f"{PLUGIN}.composio")])
def test_only_composios_room_knows_the_sdk_and_http(module: Module) -> None:
    assert forbidden(module, *WEB) - {"aiohttp" if module.name == KNOWS_AIOHTTP else ""} == set()


@named(room(f"{PLUGIN}.composio"))
def test_composios_room_knows_neither_discord_nor_sql_nor_the_chat(module: Module) -> None:
    assert forbidden(module, *LOWER, f"{PLUGIN}.chat", f"{PLUGIN}.cog") == set()


@named(room(f"{PLUGIN}.chat"))
def test_the_chat_knows_neither_sql_nor_composios_room(module: Module) -> None:
    assert forbidden(module, *LOWER[1:], f"{PLUGIN}.composio", f"{PLUGIN}.cog", f"{PLUGIN}.assembly") == set()


@named([module for module in room(PLUGIN) if within(module.name, f"{PLUGIN}.chat", f"{PLUGIN}.mirror")])
def test_what_is_stored_is_asked_for_at_the_front_door(module: Module) -> None:
    asked = {name for name in module.imports() if within(name, STORAGE)}

    assert not [name for name in asked if name in BY_NAME and name != STORAGE]


# No circles


def needs(module: Module, *, at_once: bool) -> set[str]:
    """The modules of the plugin that it imports. A package stands for its own file, not for what is in it."""
    return {name for name in module.imports(at_once=at_once) if name in BY_NAME and within(name, PLUGIN)} - {
        module.name,
        PLUGIN,
    }


def circle(graph: dict[str, set[str]]) -> list[str]:
    """What is left when everything that needs nothing else is taken away, again and again."""
    left = dict(graph)
    while free := [name for name, needed in left.items() if not needed & left.keys()]:
        for name in free:
            del left[name]
    return sorted(left)


@pytest.mark.parametrize("at_once", [True, False])
def test_no_module_of_the_plugin_needs_itself(at_once: bool) -> None:
    graph = {module.name: needs(module, at_once=at_once) for module in room(PLUGIN)}

    assert circle(graph) == []


def test_a_circle_would_be_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]


# Every subject is somebody's


def test_everything_in_the_chat_is_reached_from_the_router_the_commands_or_the_assembly() -> None:
    reached: set[str] = set()
    waiting = {f"{PLUGIN}.chat.router", f"{PLUGIN}.cog", f"{PLUGIN}.assembly", f"{PLUGIN}.check"}
    while waiting:
        reached |= waiting
        waiting = {name for found in waiting for name in needs(BY_NAME[found], at_once=False)} - reached

    assert {module.name for module in room(f"{PLUGIN}.chat")} - reached <= {f"{PLUGIN}.chat"}


def presses(tree: ast.Module) -> bool:
    targets = [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    return any(isinstance(target, ast.Name) and target.id == "PRESSES" for target in targets)


def test_every_subject_that_has_buttons_is_known_to_the_router() -> None:
    router = BY_NAME[f"{PLUGIN}.chat.router"]
    with_buttons = {module.name for module in room(f"{PLUGIN}.chat") if presses(module.tree)}

    assert with_buttons
    assert with_buttons <= needs(router, at_once=True)
    [subjects] = [
        ast.unparse(node.generators[0].iter) for node in ast.walk(router.tree) if isinstance(node, ast.DictComp)
    ]
    assert {name.rpartition(".")[2] for name in with_buttons} == set(subjects.strip("()").split(", "))
