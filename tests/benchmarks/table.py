"""The tables: what each work costs beside its references, whether that meets its goal, and if not, why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.benchmarks.measure import Costs


@dataclass(frozen=True, kw_only=True)
class Row:
    """A work's costs, and its goals: at most so much of the minimum, at least so much better than the plain way.

    *unit* is what the costs are multiplied by, and its name. *why* is told when a goal is missed, *note* always.
    """

    work: str
    costs: Costs
    at_most: float | None = None
    at_least: float | None = None
    unit: tuple[float, str] = (1000.0, "ms")
    why: str = ""
    note: str = ""

    @property
    def over(self) -> float:
        """By how much of the minimum the goal is missed; 0 when it is met."""
        return max(0.0, self.costs.ratio - self.at_most) if self.at_most else 0.0

    @property
    def short(self) -> float:
        """By how many times the goal against the plain way is missed; 0 when it is met."""
        return max(0.0, self.at_least - (self.costs.speedup or 0.0)) if self.at_least else 0.0

    def cells(self) -> list[str]:
        """The row's line."""
        ratio, speedup = self.costs.ratio, self.costs.speedup
        return [
            self.work,
            self._amount(self.costs.minimum),
            self._amount(self.costs.ours),
            self._amount(self.costs.plain),
            f"{ratio:.2f} ×",
            _goal("≤", self.at_most, self.over),
            "–" if speedup is None else f"{speedup:.2f} ×" if speedup < 10 else f"{speedup:.0f} ×",
            _goal("≥", self.at_least, self.short),
        ]

    def remarks(self) -> Iterator[str]:
        """What stands below the row."""
        if self.over:
            yield f"missed by {self.over:.2f} × the minimum: {self.why}"
        if self.short:
            yield f"missed by {self.short:.2f} × against the plain way: {self.why}"
        if self.note:
            yield self.note

    def _amount(self, value: float | None) -> str:
        factor, name = self.unit
        return "–" if value is None else f"{value * factor:,.1f} {name}"


def _goal(sign: str, goal: float | None, missed: float) -> str:
    return "–" if goal is None else f"{sign} {goal:g} {'MISSED' if missed else 'met'}"


HEAD = ["work", "minimum", "ours", "plain way", "of the minimum", "goal", "than the plain way", "goal"]


def rendered(title: str, rows: Sequence[Row]) -> str:
    """The table as text, with each row's remarks below it."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[number]) for line in lines) for number in range(len(HEAD))]
    return "\n".join([title, "", *_lines(rows, widths)])


def _lines(rows: Iterable[Row], widths: Sequence[int]) -> Iterator[str]:
    yield _line(HEAD, widths)
    yield "-" * len(_line(HEAD, widths))
    for row in rows:
        yield _line(row.cells(), widths)
        yield from (f"    {remark}" for remark in row.remarks())


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    aligned = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join([cells[0].ljust(widths[0]), *aligned[1:]])


def columns(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A plain table, each column as wide as it has to be."""
    table = [head, *lines]
    widths = [max(len(line[number]) for line in table) for number in range(len(head))]
    rows = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in table]
    return "\n".join([rows[0], "-" * len(rows[0]), *rows[1:]])
