"""Why node tests could not be had: told by the Python that is there, where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modelcompat.environments import registry
from pytest_modelcompat.environments.protocol import EnvironmentSpec, Failure
from pytest_modelcompat.results.model import CellStatus, Stage
from pytest_modelcompat.runner import corpora


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        ({"3.11"}, "on Python 3.11: no index"),
        ({"3.11", "3.13"}, "on Python 3.11, 3.13: no index"),
        (set(), "on Python 3.12, 3.11, 3.13, 3.10, 3.9: there is no 3.12"),
    ],
)
def test_a_python_that_is_not_here_explains_nothing_where_another_is(
    there: set[str], reason: str, tmp_path: Path, monkeypatch
) -> None:
    def prepare(spec: EnvironmentSpec, *, cache: Path) -> Failure:
        if spec.python in there:
            status, why = CellStatus.INFRASTRUCTURE_FAILED, "no index"
        else:
            status, why = CellStatus.UNAVAILABLE, f"there is no {spec.python}"
        return Failure(spec=spec, status=status, stage=Stage.RESOLVE, reason=why)

    monkeypatch.setattr(registry, "prepare", prepare)
    found = corpora.collect("onnx==1.18.0", cache=tmp_path)
    assert (found.path, found.reason) == (None, reason)
