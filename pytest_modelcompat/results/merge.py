"""`modelcompat merge`: the parts of a run (`--compat-shard I/N`) as one, checked to be complete.

Each part is held against its own plan (every planned case is there once, under its name), the parts
against each other (the same matrices, no cell twice, every part there), and, where one is given,
against the plan of the whole. What is not complete is not written, unless it is asked for; then it
says so, and is not finished.

The merged folder holds what a run writes but for the store: the parts can be judged again, not
their sum.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_modelcompat.errors import results as errors
from pytest_modelcompat.matrix.match import matches
from pytest_modelcompat.results.changes import FAILS
from pytest_modelcompat.results.merge_known import all_known
from pytest_modelcompat.results.model import CellStatus, Outcome, Stage, Status
from pytest_modelcompat.results.plan_file import PLAN, cells_digest
from pytest_modelcompat.results.plan_read import cases_of, check_plan, plan_of
from pytest_modelcompat.results.stored import StoredCase, StoredCell, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_modelcompat.results.known import Entry
    from pytest_modelcompat.results.load import Run

    Planned = tuple[str, str, str]  # check, unit, case

__all__ = ["Merged", "line_of", "merged"]

_IDLE = {Status.NOT_RUN, Status.SKIPPED}


@dataclass
class Merged:
    """Several runs as one.

    Attributes:
        parts: in the order of their shards.
        cells: with the position of their part; of cells that no part has: None.
        problems: why it is not complete; empty where it is.
        notes: for the merged run's head.
        unexpected: known issues that no longer show in any part.
    """

    parts: tuple[Run, ...]
    cells: list[tuple[StoredCell, int | None]]
    plans: list[dict[str, Any]]
    missing: dict[str, list[Planned]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unexpected: tuple[Entry, ...] = ()
    fails: bool = False
    measured: set[str] = field(default_factory=set)
    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def cases(self) -> Iterator[StoredCase]:
        """Every case, cell after cell, each held against its plan.

        Raises:
            StoredRunProblem: a part does not hold what its plan says.
        """
        streams = [groupby(part.cases(), key=lambda case: case.cell) for part in self.parts]
        planned = [{cell["id"]: list(cases_of(cell)) for cell in plan["cells"]}
                   for plan in self.plans]  # fmt: skip
        for cell, part in self.cells:
            counts = self.counts.setdefault(cell.id, Counter())
            for case in self._of(cell, part, streams, planned):
                known = self._settled(cell, case)
                counts[known.status.value] += 1
                self.fails = self.fails or known.outcome in FAILS
                if known.status not in _IDLE:
                    self.measured.add(cell.matrix)
                yield known
            self.fails = self.fails or cell.outcome in FAILS
        for run, stream in zip(self.parts, streams, strict=True):
            for _ in stream:  # to its end, which is where a part is found to be cut off
                raise errors.part_bad(run.folder, "its cases are not in the order of its cells")

    @property
    def green(self) -> bool:
        """Whether nothing failed, nothing is missing, and each matrix was measured."""
        matrices = {cell.matrix for cell, _ in self.cells}
        return not self.problems and not self.fails and matrices == self.measured

    def _of(
        self,
        cell: StoredCell,
        part: int | None,
        streams: Sequence[Iterator[tuple[str, Iterator[StoredCase]]]],
        planned: Sequence[Mapping[str, list[Planned]]],
    ) -> Iterator[StoredCase]:
        if part is None:
            for n, (check, unit, name) in enumerate(self.missing[cell.id]):
                yield StoredCase(
                    cell=cell.id, n=n, check=check, unit=unit, case=name, reason=cell.reason,
                    status=Status.NOT_RUN, outcome=Outcome.INFO, stage=Stage.START,
                )  # fmt: skip
            return
        wanted = planned[part][cell.id]
        folder = self.parts[part].folder
        if not wanted:
            return
        identity, cases = next(streams[part], ("", iter(())))
        if identity != cell.id:
            raise errors.part_bad(folder, f"the cases of {cell.id[:120]!r} are not where they were")
        number = 0
        for case in cases:
            here = (case.check, case.unit, case.case)
            if number >= len(wanted) or case.n != number or here != wanted[number]:
                raise errors.part_bad(folder, f"{case.case[:120]!r} is not what its plan says")
            number += 1
            yield case
        if number != len(wanted):
            raise errors.part_bad(folder, f"{len(wanted) - number} planned cases are missing")

    def _settled(self, cell: StoredCell, case: StoredCase) -> StoredCase:
        """The case; `xpass` where only all parts together tell that it should have failed."""
        if case.status is not Status.PASSED or case.outcome is not Outcome.OK:
            return case
        for entry in self.unexpected:
            if (
                entry.matrix == cell.matrix
                and matches(entry.issue.match, cell.axes)
                and entry.selects_unit(case.check, case.unit)
                and entry.selects_case(case.case)
            ):
                return msgspec.structs.replace(case, outcome=Outcome.XPASS, known=entry.issue.id)
        return case


def merged(
    parts: Sequence[Run],
    whole: Mapping[str, Any] | None = None,
    silent: Sequence[Path] = (),
) -> Merged:
    """Put parts together.

    Args:
        parts: stored runs, in any order.
        whole: the plan of the whole, as `modelcompat plan` prints it.
        silent: folders of parts that left no results.

    Raises:
        UsageProblem: they do not belong together, or one is damaged.
    """
    ordered = tuple(sorted(parts, key=lambda part: (_shard(part)[0], part.info.id)))
    plans = [_plan(part) for part in ordered]
    _same_matrices(ordered)
    by_id: dict[str, int] = {}
    for at, part in enumerate(ordered):
        for cell in part.cells:
            if cell.id in by_id:
                raise errors.cell_twice(cell.id, ordered[by_id[cell.id]].folder, part.folder)
            by_id[cell.id] = at
    known = {cell.id: cell for part in ordered for cell in part.cells}
    order, problems = _in_order(ordered)
    found = Merged(
        parts=ordered,
        plans=plans,
        cells=[(known[identity], by_id[identity]) for identity in order],
        problems=problems,
    )
    if whole is not None:
        _hold_against(found, whole, _begun(silent))
    found.problems += [f"{errors.no_results(folder)} in {folder.name}" for folder in silent]
    found.problems += [
        f"the run in {part.folder.name} did not come to its end"
        for part in ordered
        if not part.info.finished
    ]
    gone, told = all_known(ordered)
    if found.problems:  # what is missing may be what an entry is for
        gone, told = (), []
    found.unexpected = gone
    found.notes = list(dict.fromkeys([*(n for p in ordered for n in p.info.notes), *told]))
    return found


def _shard(part: Run) -> tuple[int, int, int, str]:
    """(index, count, cells of the whole, digest of their ids) of a part; 1 of 1 for a whole run."""
    said = part.info.shard
    values = [said.get(name) for name in ("index", "count", "cells")]
    digest = said.get("digest", "")
    if not said:
        return 1, 1, len(part.cells), ""
    index, count, cells = (value if type(value) is int else 0 for value in values)
    if not 1 <= index <= count < 100_000 or cells < 0 or type(digest) is not str:  # noqa: PLR2004
        raise errors.part_bad(part.folder, "`run.shard` is not as a run writes it")
    return index, count, cells, digest


def _in_order(parts: Sequence[Run]) -> tuple[list[str], list[str]]:
    """Ids of the cells in the order of the whole matrix, and what is missing."""
    shards = [_shard(part) for part in parts]
    if all(not digest for *_, digest in shards):  # runs of several matrices, say, and no shards
        return [cell.id for part in parts for cell in part.cells], []
    if len({shard[1:] for shard in shards}) != 1:
        raise errors.parts_differ([part.folder for part in parts], "shards")
    _, count, total, digest = shards[0]
    there = {index: part for (index, *_), part in zip(shards, parts, strict=True)}
    if len(there) != len(parts):
        raise errors.parts_differ([part.folder for part in parts], "the same shard twice")
    problems = []
    order = []
    for position in range(total):
        index, at = position % count + 1, position // count
        part = there.get(index)
        if part is None or at >= len(part.cells):
            continue
        order.append(part.cells[at].id)
    for index in range(1, count + 1):
        share = len(range(index - 1, total, count))
        if index not in there and share:
            problems.append(f"shard {index}/{count} with {share} of {total} cells is missing")
        elif index in there and len(there[index].cells) != share:
            raise errors.part_bad(there[index].folder, f"it should have {share} cells")
    if not problems and cells_digest(order) != digest:
        raise errors.parts_differ([part.folder for part in parts], "cells")
    return order, problems


def _same_matrices(parts: Sequence[Run]) -> None:
    seen: dict[str, str] = {}
    for part in parts:
        for matrix in part.info.matrices:
            name, digest = matrix.get("name", ""), matrix.get("digest", "")
            if seen.setdefault(name, digest) != digest:
                raise errors.parts_differ([each.folder for each in parts], f"matrix {name[:80]!r}")


def _plan(part: Run) -> dict[str, Any]:
    """A part's plan; its cells are those of run.json, in the same order."""
    plan = part.plan
    check_plan(part.folder, plan)
    if [cell["id"] for cell in plan["cells"]] != [cell.id for cell in part.cells]:
        raise errors.part_bad(part.folder, "run.json does not have the cells of plan.json")
    return plan


def _begun(silent: Sequence[Path]) -> dict[str, str]:
    """Cell -> the part that planned it, and then left no results."""
    found = {}
    for folder in silent:
        with suppress(errors.StoredRunProblem):  # not even a plan: it has nothing to say
            for cell in plan_of(folder / PLAN)["cells"]:
                found[cell["id"]] = folder.name
    return found


def _hold_against(found: Merged, whole: Mapping[str, Any], begun: Mapping[str, str]) -> None:
    """Add what the whole plan has and no part does, as not run; tell it."""
    check_plan("the plan", whole)
    have = {cell["id"]: list(cases_of(cell)) for plan in found.plans for cell in plan["cells"]}
    cells = {cell.id: (cell, part) for cell, part in found.cells}
    order = []
    absent = changed = 0
    for cell in whole["cells"]:
        identity = cell["id"]
        if identity in cells:
            changed += have[identity] != list(cases_of(cell))
            order.append(cells.pop(identity))
            continue
        absent += 1
        found.missing[identity] = list(cases_of(cell))
        record = StoredCell(
            id=identity,
            matrix=cell["matrix"],
            axes=cell["axes"],
            status=CellStatus.INTERRUPTED,
            outcome=Outcome.INFO,
            reason=errors.in_no_part(begun.get(identity)),
        )
        order.append((record, None))
    found.cells = [*order, *cells.values()]
    if absent:
        found.problems.append(f"{absent} of {len(whole['cells'])} planned cells are in no part")
    if changed:
        found.problems.append(f"{changed} cells were run with other cases than planned")
    if cells:
        found.problems.append(f"{len(cells)} cells are not in the plan")


def line_of(case: StoredCase) -> str:
    """A case as its line in cases.jsonl.gz."""
    return json.dumps(shown(case), separators=(",", ":"), allow_nan=False)
