"""Stored runs of older schemas, brought to the present one, a version at a time.

A step is a function from one version's JSON to the next one's; it may add, rename and drop, and
must not guess. A release that changes the meaning of a field adds one step to each table, raises
`SCHEMA` in write.py, and leaves a golden folder of the old version in tests/golden/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_modelcompat.results.write import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Step = Callable[[dict[str, Any]], dict[str, Any]]

__all__ = ["CASE_STEPS", "OLDEST", "RUN_STEPS", "SCHEMA", "step"]

OLDEST = 1
# version -> what makes version + 1 of it; run.json as a whole, and each line of cases.jsonl.gz
RUN_STEPS: Mapping[int, Step] = {}
CASE_STEPS: Mapping[int, Step] = {}


def step(found: int, steps: Mapping[int, Step]) -> Step | None:
    """The way from a version to the present one, as one function.

    Args:
        found: the version that was read.
        steps: RUN_STEPS or CASE_STEPS.

    Returns:
        None where there is nothing to do.
    """
    way = [steps[version] for version in range(found, SCHEMA) if version in steps]
    if not way:
        return None

    def all_steps(data: dict[str, Any]) -> dict[str, Any]:
        for each in way:
            data = each(data)
        return data

    return all_steps
