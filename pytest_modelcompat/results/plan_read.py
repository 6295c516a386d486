"""plan.json read back: what it says is checked before anybody counts on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_modelcompat.errors import results as errors
from pytest_modelcompat.results.load import read_json
from pytest_modelcompat.results.plan_file import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    Planned = tuple[str, str, str]  # check, unit, case

__all__ = ["cases_of", "check_plan", "plan_of"]


def plan_of(path: Path) -> dict[str, Any]:
    """A plan, as `modelcompat plan` prints it.

    Raises:
        StoredRunProblem: there is none, or it is damaged.
    """
    plan = read_json(path, SCHEMA)
    if plan is None:
        raise errors.stored_bad(path, "it is missing")
    check_plan(path, plan)
    return plan


def check_plan(place: Path | str, plan: Mapping[str, Any]) -> None:
    """That each cell has an id, a matrix, axes, and units with named cases.

    Args:
        place: for the sentence.
        plan: of `Run.plan`.

    Raises:
        StoredRunProblem: it is not as a run writes it.
    """
    try:
        fine = all(_is_cell(cell) for cell in plan["cells"])
    except (KeyError, TypeError, AttributeError):
        fine = False
    if not fine:
        raise errors.part_bad(place, "plan.json is not as a run writes it")


def _is_cell(cell: Mapping[str, Any]) -> bool:
    texts = [cell["id"], cell["matrix"], *cell["axes"], *cell["axes"].values()]
    for check, unit, case in cases_of(cell):
        texts += [check, unit, case]
    return all(type(each) is str for each in texts)


def cases_of(cell: Mapping[str, Any]) -> Iterator[Planned]:
    """(check, unit, case) of each case of a planned cell, in running order."""
    for unit in cell["units"]:
        for case in unit["cases"]:
            yield unit["check"], unit["unit"], case
