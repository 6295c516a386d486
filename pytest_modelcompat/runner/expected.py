"""What cases are judged against: the data of their bundles, shared by all cells of a run.

Most cells of a run answer the same cases, and most of them alike. So what a bundle holds is read
once a case, and an answer that another cell gave already is neither read, stored nor compared
again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_modelcompat.results.judge import EQUAL
from pytest_modelcompat.results.remembered import Remembered
from pytest_modelcompat.results.terms import with_terms
from pytest_modelcompat.worker.bundle import Bundle
from pytest_modelcompat.worker.values import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_modelcompat.results.judge import Compared
    from pytest_modelcompat.runner.events import Answer, Named
    from pytest_modelcompat.runner.plan import PlannedCase, Workload
    from pytest_modelcompat.worker.values import Value

__all__ = ["Expected", "ExpectedCase", "Kept"]

_CASES = 10_000
_ANSWERS = 20_000
_COMPARED = 20_000


@dataclass(frozen=True, kw_only=True)
class Kept:
    """An answer as a measurement names it.

    Attributes:
        outputs: digest of each distinct repeat; "=" for one that is the expected outputs.
        expected: digest of those, where one is not.
        identical: all of them are the expected outputs, byte for byte.
    """

    outputs: tuple[str, ...] = ()
    expected: str | None = None
    identical: bool = False


class Terms(NamedTuple):
    """How a planned case is judged.

    Attributes:
        workload, case: whose terms they are.
        judged: as `judge` takes them.
        reference: the case's, with the terms, so that it can be judged again; not to be changed.
    """

    workload: Workload
    case: PlannedCase
    judged: dict[str, Any]
    reference: dict[str, Any] | None


class ExpectedCase:
    """A case as its bundle has it.

    Attributes:
        outputs: [(name or position, Value)], views into the file; None: it only has to run.
        about: what the bundle says about it.
    """

    def __init__(self, bundle: Bundle, index: int) -> None:
        self.outputs: Sequence[tuple[str | int, Value]] | None = bundle.outputs(index)
        self.about: Mapping[str, Any] = bundle.case(index)
        self._bundle, self._index = bundle, index
        self._digest = ""
        self._terms: Terms | None = None

    @property
    def inputs(self) -> Sequence[tuple[str | int, Value]]:
        """As `outputs`; empty where the cell makes them."""
        found: Sequence[tuple[str | int, Value]] = self._bundle.inputs(self._index)
        return found

    def equals(self, outputs: Named) -> bool:
        """Whether every expected output is there, with the same type, shape and bytes."""
        expected = self.outputs
        if expected is None or len(outputs) != len(expected):
            return False
        by_name = dict(outputs)
        for name, value in expected:
            if isinstance(name, int):
                found = outputs[name][1] if name < len(outputs) else None
            else:
                found = by_name.get(name)
            if found is None or found != value:
                return False
        return True

    def stored(self, put: Callable[[bytes], str]) -> str:
        """The digest under which the outputs are kept; `put` is called the first time."""
        self._digest = self._digest or put(encode(list(self.outputs or ())))
        return self._digest

    def keep(self, repeats: Sequence[Named], put: Callable[[bytes], str]) -> Kept:
        """Store an answer, but for what the bundle holds.

        Args:
            repeats: the outputs of each distinct one.
            put: stores bytes and gives their digest.
        """
        equal = [self.equals(each) for each in repeats]
        expected = None
        if self.outputs is not None and not all(equal):
            expected = self.stored(put)
        return Kept(
            outputs=tuple(
                EQUAL if same else put(encode(each))
                for each, same in zip(repeats, equal, strict=True)
            ),
            expected=expected,
            identical=bool(equal) and all(equal),
        )

    def terms(self, workload: Workload, case: PlannedCase) -> Terms:
        """On which terms it is judged; those of one workload are worked out once."""
        known = self._terms
        if known is None or known.workload is not workload or known.case is not case:
            given = self.about.get("rtol") is not None
            judged: dict[str, Any] = {
                "suite": (self.about["rtol"], self.about["atol"]) if given else None,
                "tolerances": workload.tolerances_of(case.unit),
                "quantized": self.about.get("quantized"),
            }
            reference = with_terms(case.reference, **judged)
            self._terms = known = Terms(workload, case, judged, reference)
        return known


class Expected:
    """The bundles of one run, whose outputs go to one store. Safe from several threads.

    Args:
        put: keeps bytes in that store and gives their digest.

    Attributes:
        restored: outputs by the bytes of the answer that brought them; for `CellProcess`.
        compared: comparisons of outputs, by digest; for `judge`.
    """

    def __init__(self, put: Callable[[bytes], str]) -> None:
        self.restored: Remembered[list[Named]] = Remembered(_ANSWERS)
        self.compared: Remembered[Compared] = Remembered(_COMPARED)
        self._put = put
        self._kept: Remembered[Kept] = Remembered(_ANSWERS)
        self._cases: Remembered[ExpectedCase] = Remembered(_CASES)
        self._bundle = lru_cache(maxsize=None)(Bundle.open)

    def case(self, workload: Workload, case: PlannedCase) -> ExpectedCase:
        """What is expected of a planned case."""
        path: Path = workload.bundles[case.bundle]
        return self._cases.of(
            (path, case.index), lambda: ExpectedCase(self._bundle(path), case.index)
        )

    def kept(self, case: ExpectedCase, repeats: Sequence[Named], answer: Answer | None) -> Kept:
        """An answer to a case in the run's store.

        Args:
            case: from `case`.
            repeats: the outputs of each distinct one.
            answer: they as they were sent, where that is little.
        """
        if answer is None:
            return case.keep(repeats, self._put)
        return self._kept.of((case, answer), lambda: case.keep(repeats, self._put))
