"""Does the runtime compute each operator as the node tests of onnx releases say it should?

The corpora of several releases are merged, oldest first: a case that is byte for byte the same in
two of them runs once and carries the older one's name. A case whose expectation changed runs twice,
so that a verdict which follows the corpus is seen as that.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from re import compile as compile_pattern
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version

from pytest_modelcompat.errors import Problem, UsageProblem
from pytest_modelcompat.errors.checks import nothing_matches
from pytest_modelcompat.runner.plan import PlannedCase, Workload
from pytest_modelcompat.worker.bundle import Bundle

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pytest_modelcompat.matrix.model import CheckEntry

    Pair = tuple[str, str, int]

__all__ = ["Coverage", "coverage", "selects", "workload"]

_CASE = "test_"
_MAIN = "ai.onnx"


def workload(
    entry: CheckEntry,
    corpora: Sequence[tuple[str, Path]],
    *,
    folder: Path | None = None,
    file: Path | None = None,
) -> Workload:
    """The cases of an entry.

    Args:
        entry: of the matrix.
        corpora: (requirement such as "onnx==1.18.0", its bundle), in any order.
        folder: not used: nothing has to be written.
        file: the matrix, named in problems.

    Returns:
        The cases, grouped by unit; in a unit by release, then in the corpus' order.

    Raises:
        UsageProblem: a pattern of `match` selects nothing.
        OSError, ValueError: a bundle cannot be read.
    """
    del folder
    ordered = sorted(corpora, key=lambda corpus: _release(corpus[0]))
    bundles = [Bundle.open(path) for _, path in ordered]
    _require_all_match(entry, [name for name, _ in ordered], bundles, file)
    cases = sorted(_merged(entry.match, ordered, bundles), key=lambda case: case.unit)
    return Workload(
        check=entry.check,
        digest=_digest(entry, bundles, cases),
        entry=entry,
        cases=tuple(cases),
        bundles=tuple(path for _, path in ordered),
        repeats=entry.repeats,
        tolerances=entry.tolerance or None,
    )


def _release(requirement: str) -> tuple[Version, str]:
    """What the corpora are ordered by; those without a version come first, by name."""
    try:
        found = [each.version for each in Requirement(requirement).specifier]
    except InvalidRequirement:
        found = []
    return (Version(found[0]) if found else Version("0"), requirement)


def _merged(
    patterns: Sequence[str], corpora: Sequence[tuple[str, Path]], bundles: Sequence[Bundle]
) -> Iterable[PlannedCase]:
    seen: set[str] = set()
    for position, ((corpus, _), bundle) in enumerate(zip(corpora, bundles, strict=True)):
        source, _, version = corpus.partition("==")
        reference = {"kind": "corpus", "source": source, "version": version}
        for index in range(len(bundle)):
            case = bundle.case(index)
            if case["digest"] in seen:
                continue
            seen.add(case["digest"])
            if patterns and not any(selects(pattern, case) for pattern in patterns):
                continue
            yield PlannedCase(
                unit=case["unit"],
                name=f"{case['name']}@{corpus}",
                bundle=position,
                index=index,
                opset=case.get("opset") or 0,
                reference=reference,
            )


@lru_cache(maxsize=4096)
def _matcher(pattern: str) -> Any:
    return compile_pattern(translate(pattern)).match


def selects(pattern: str, case: dict[str, Any]) -> bool:
    """Whether a pattern of `match` is about a case.

    Args:
        pattern: `test_*` is about cases, `domain::Name` about operators, a bare name about those
            of ai.onnx. All are shell patterns, case-sensitive.
        case: of a bundle.
    """
    if pattern.startswith(_CASE):
        return _matcher(pattern)(case["name"]) is not None
    if "::" not in pattern:
        pattern = f"{_MAIN}::{pattern}"
    return _matcher(pattern)(case["unit"]) is not None


def _require_all_match(
    entry: CheckEntry, names: Sequence[str], bundles: Sequence[Bundle], file: Path | None
) -> None:
    every = [bundle.case(at) for bundle in bundles for at in range(len(bundle))]
    units = {case["unit"]: case for case in every}
    problems = []
    for pattern in entry.match:
        among = every if pattern.startswith(_CASE) else units.values()
        if any(selects(pattern, case) for case in among):
            continue
        known = (
            {case["name"] for case in every}
            if pattern.startswith(_CASE)
            else {unit.removeprefix(f"{_MAIN}::") for unit in units}
        )
        said = nothing_matches(pattern, names, known)
        problems.append(
            Problem(message=said.message, hint=said.hint, file=file, line=entry.line or None)
        )
    if problems:
        raise UsageProblem(problems)


def _digest(entry: CheckEntry, bundles: Sequence[Bundle], cases: Sequence[PlannedCase]) -> str:
    """Of everything that decides what is measured; how it is judged takes no part."""
    whole = [
        entry.check,
        [bundle.digest for bundle in bundles],
        [[case.unit, case.name, case.bundle, case.index] for case in cases],
        entry.repeats,
    ]
    return hashlib.sha256(json.dumps(whole, separators=(",", ":")).encode("ascii")).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Which operators the corpora exercise, as (domain, name, since_version).

    Attributes:
        tested: those that at least one case is about.
        all: those that any of the releases defines; at least the tested ones.
    """

    tested: frozenset[Pair]
    all: frozenset[Pair]


def coverage(bundles: Iterable[Bundle]) -> Coverage:
    """What the union of some corpora covers.

    Args:
        bundles: open corpora.
    """
    tested: set[Pair] = set()
    every: set[Pair] = set()
    for bundle in bundles:
        every.update((domain, name, since) for domain, name, since in bundle.meta["operators"])
        for at in range(len(bundle)):
            found = bundle.case(at).get("op")
            if found and found["since"]:
                tested.add((found["domain"], found["type"], found["since"]))
    return Coverage(tested=frozenset(tested), all=frozenset(every | tested))
