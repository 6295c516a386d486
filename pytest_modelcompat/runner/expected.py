"""What cases are judged against: the data of their bundles, shared by all cells of a run.

Most cells of a run answer the same cases, and most of them alike. So what a bundle holds is read
once a case, and outputs that another cell gave already are not compared again.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.results.remembered import Remembered
from pytest_modelcompat.worker.bundle import Bundle
from pytest_modelcompat.worker.values import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_modelcompat.results.judge import Compared
    from pytest_modelcompat.runner.plan import PlannedCase, Workload
    from pytest_modelcompat.worker.values import Value

__all__ = ["Expected", "ExpectedCase"]

_CASES = 10_000
_COMPARED = 20_000


class ExpectedCase:
    """A case as its bundle has it.

    Attributes:
        outputs: [(name or position, Value)], views into the file; None: it only has to run.
        about: what the bundle says about it.
    """

    def __init__(self, bundle: Bundle, index: int) -> None:
        self.outputs: Sequence[tuple[str | int, Value]] | None = bundle.outputs(index)
        self.about: Mapping[str, Any] = bundle.case(index)
        self._digest = ""

    def stored(self, keep: Callable[[bytes], str]) -> str:
        """The digest under which the outputs are kept; `keep` is called the first time."""
        if not self._digest:
            self._digest = keep(encode(list(self.outputs or ())))
        return self._digest

    def terms(self, workload: Workload, unit: str) -> dict[str, Any]:
        """On which terms it is judged, as `judge` takes them."""
        given = self.about.get("rtol") is not None
        return {
            "suite": (self.about["rtol"], self.about["atol"]) if given else None,
            "tolerances": workload.tolerances_of(unit),
            "quantized": self.about.get("quantized"),
        }


class Expected:
    """The bundles of one run, whose outputs go to one store. Safe from several threads.

    Attributes:
        compared: comparisons of outputs, by digest; for `judge`.
    """

    def __init__(self) -> None:
        self.compared: Remembered[Compared] = Remembered(_COMPARED)
        self._cases: Remembered[ExpectedCase] = Remembered(_CASES)
        self._bundle = lru_cache(maxsize=None)(Bundle.open)

    def case(self, workload: Workload, case: PlannedCase) -> ExpectedCase:
        """What is expected of a planned case."""
        path: Path = workload.bundles[case.bundle]
        return self._cases.of(
            (path, case.index), lambda: ExpectedCase(self._bundle(path), case.index)
        )
