"""Variants in a store: which cases belong together, what is compared, and what limits decide."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_modelcompat.matrix.model import VariantOf
from pytest_modelcompat.results.accuracy import packed
from pytest_modelcompat.results.compared import Compared
from pytest_modelcompat.results.load import load
from pytest_modelcompat.results.model import CaseRecord, Stage, Status
from pytest_modelcompat.results.rejudge import rejudge
from pytest_modelcompat.results.store import Store
from pytest_modelcompat.results.variants import ALONE, Variants
from pytest_modelcompat.results.write import write_outputs
from pytest_modelcompat.worker.values import Value, encode
from tests.unit.stored_runs import RUN, case, cell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SAID = {"matrix": "m", "model": "small", "of": "net"}
FAR = [[0.0, 9.0], [0.0, 9.0]]
NEAR = [[1.0, 0.5], [0.25, 3.0]]
ORIGINAL = [[1.0, 0.0], [0.0, 3.0]]
LABELS = (0, 1)


class Folder:
    """A store that is being filled."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.labels = store.put_blob(encode([("labels", packed(LABELS))]))

    def add(
        self,
        unit: str,
        answer: Any = None,
        *,
        name: str = "d",
        n: int | None = None,
        inputs: str = "same",
        labels: bool = True,
        expected: bool = False,
        **changes: Any,
    ) -> CaseRecord:
        """A case that answered so; with `expected` its bytes are those of the reference."""
        kept = None
        if answer is not None:
            array = np.asarray(answer, "float32")
            value = Value.tensor("float32", array.shape, array.tobytes())
            kept = self.store.put_blob(encode([(0 if expected else "y", value)]))
        reference = {
            "kind": "data",
            "inputs": inputs,
            **({"labels": self.labels} if labels else {}),
        }
        number = len(list(self.store.cases())) if n is None else n
        made = case(
            number, outputs=("=",) if expected else (kept,) if kept else (),
            expected=kept if expected else None, **changes,
        )  # fmt: skip
        record = replace(
            made, check="parity", unit=unit, case=f"{unit}/{name}", reference=reference
        )
        self.store.add_cases([record])
        return record

    def compared(self, **limits: Any) -> list[Compared]:
        return list(Variants(self.store, [{**SAID, **limits}]).compared())

    def held(self, record: CaseRecord, **limits: Any) -> CaseRecord:
        return Variants(self.store, []).held(record, {**SAID, **limits})


@contextmanager
def opened(path: Path, *head: dict[str, Any]) -> Iterator[Folder]:
    with Store.open(path, plan_digest="p", run=replace(RUN, variant_of=head)) as store:
        store.set_cell(cell())
        yield Folder(store)


def test_answers_are_compared_wherever_they_were_kept(tmp_path: Path):
    with opened(tmp_path / "r") as folder:
        folder.add("net", ORIGINAL, expected=True)
        folder.add("small", NEAR)
        (found,) = folder.compared()
    assert found.distance["max_abs"] == 0.5
    assert found.distance["top1"] == 1.0
    assert (found.variant.accuracy, found.original.accuracy) == (1.0, 1.0)
    assert (found.variant.case, found.original.case) == ("small/d", "net/d")


@pytest.mark.parametrize(
    ("ours", "theirs", "speed"),
    [
        ((0.1, 0.2, 0.15), (0.3, 0.4), -1),
        ((0.3, 0.4), (0.1, 0.2), 1),
        ((0.1, 0.3), (0.2, 0.4), 0),
        ((0.1, 0.2), (0.2, 0.4), 0),
        ((0.1,), (0.3, 0.4), None),
        ((0.1, 0.2), (0.3,), None),
    ],
)
def test_faster_only_where_repeats_do_not_overlap(
    tmp_path: Path, ours: Any, theirs: Any, speed: int | None
):
    with opened(tmp_path / "r") as folder:
        folder.add("net", ORIGINAL, run_seconds=theirs)
        folder.add("small", NEAR, run_seconds=ours)
        (found,) = folder.compared()
    assert found.speed == speed
    assert (found.variant.low, found.variant.high) == (min(ours), max(ours))
    assert found.original.repeats == len(theirs)


def test_each_case_meets_the_one_with_its_data_and_its_setting(tmp_path: Path):
    names = ("torch,opset17/d", "torch,opset18/d", "torch,opset17/e", "torch,opset18/e,batch2")
    with opened(tmp_path / "r") as folder:
        for name in names:
            folder.add("net", ORIGINAL, name=name)
        for name in ("torch,opset18/d", "other/d", "torch,opset18/e,batch2", "torch,opset17/f"):
            folder.add("small", NEAR, name=name)
        found = [each.original.case for each in folder.compared()]
    assert found == [
        "net/torch,opset18/d", "net/torch,opset17/d", "net/torch,opset18/e,batch2", "",
    ]  # fmt: skip


def test_the_only_data_set_of_the_original_is_meant(tmp_path: Path):
    with opened(tmp_path / "r") as folder:
        folder.add("net", ORIGINAL, name="floats")
        folder.add("small", NEAR, name="codes", inputs="others")
        (found,) = folder.compared()
    assert found.original.case == "net/floats"
    assert found.not_compared == "its inputs are not the original's, byte for byte"
    assert found.distance == {}


def test_inputs_that_nobody_knows_are_never_the_same(tmp_path: Path):
    with opened(tmp_path / "r") as folder:
        folder.add("net", ORIGINAL, inputs="")
        folder.add("small", NEAR, inputs="")
        (found,) = folder.compared()
    assert "its inputs are not the original's" in found.not_compared


def test_a_variant_is_met_in_its_own_matrix_alone(tmp_path: Path):
    with opened(tmp_path / "r") as folder:
        folder.add("net", ORIGINAL)
        folder.add("small", NEAR)
        assert folder.compared(matrix="other") == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"status": "crashed", "error": {"message": "died"}}, "crashed: died"),
        ({"status": "timed_out"}, "timed out"),
        ({"status": "not_run", "reason": "deselected"}, "not run: deselected"),
    ],
)
def test_which_side_gave_no_answer_and_why(tmp_path: Path, changes: dict[str, Any], why: str):
    with opened(tmp_path / "r") as folder:
        folder.add("net", ORIGINAL)
        folder.add("small", **changes)
        (found,) = folder.compared()
        assert found.not_compared == f"small/d gave no answer ({why})"
        assert (found.variant.reason, found.original.accuracy) == (why, 1.0)
        assert found.variant.accuracy is None
    with opened(tmp_path / "other") as folder:
        folder.add("net", **changes)
        folder.add("small", NEAR)
        (found,) = folder.compared()
    assert found.not_compared == f"the original net gave no answer ({why})"


def test_answers_that_are_gone_are_told(tmp_path: Path):
    with opened(tmp_path / "r") as folder:
        folder.add("net")
        small = folder.add("small", NEAR)
        folder.store.add_cases([replace(
            small, unit="net", case="net/e", n=7,
            measurement=replace(small.measurement, outputs=("0" * 64,)),
        )])  # fmt: skip
        folder.add("small", NEAR, name="e", n=8)
        found = [each.not_compared for each in folder.compared()]
    assert found == [
        "the original net gave no answer (passed)",
        "the original net gave no answer (its answers are not kept)",
    ]


@pytest.mark.parametrize(
    ("limits", "ends"),
    [
        ({"accuracy_loss": 0.5}, None),
        (
            {"accuracy_loss": 0.4},
            "accuracy 0.5 is 0.5 below the original's 1, at most 0.4 is allow",
        ),
        ({"top1": 0.5}, None),
        ({"top1": 0.6}, "0.5 of the rows choose as the original, at least 0.6 have to"),
        ({"tolerance": {"float32": {"atol": 9.0}}}, None),
        ({"tolerance": {"float32": {"atol": 8.9}}}, "y is beyond the tolerance: max_abs 9.0"),
    ],
)
def test_a_limit_fails_what_is_beyond_it_and_nothing_else(
    tmp_path: Path, limits: dict[str, Any], ends: str | None
):
    with opened(tmp_path / "r") as folder:
        folder.add("net", ORIGINAL)
        small = folder.add("small", FAR)
        held = folder.held(small, **limits)
    if ends is None:
        assert held is small
        return
    assert (held.judgement.status, held.judgement.stage) == (Status.FAILED, Stage.COMPARE)
    assert held.judgement.mismatch is not None
    assert held.judgement.mismatch["actual"].startswith(ends)
    assert held.judgement.attribution_detail == {ALONE: "passed"}


def test_what_is_wrong_by_its_own_reference_stays_as_it_is(tmp_path: Path):
    with opened(tmp_path / "r") as folder:
        folder.add("net", ORIGINAL)
        wrong = folder.add("small", FAR, status="failed")
        assert folder.held(wrong, accuracy_loss=0.0) is wrong


def test_a_limit_that_cannot_be_held_is_not_run_until_it_can(tmp_path: Path):
    """An interrupted run that goes on: the original answers later."""
    with opened(tmp_path / "r") as folder:
        folder.add("net", status="not_run", reason="stopped")
        small = folder.add("small", NEAR)
        held = folder.held(small, top1=1.0)
        assert held.judgement.status is Status.NOT_RUN
        assert held.measurement.reason == (
            "no reference: the original net gave no answer (not run: stopped)"
        )
        assert held.judgement.mismatch == small.judgement.mismatch
        folder.add("net", ORIGINAL, n=0)
        again = folder.held(held, top1=1.0)
        assert again.judgement == small.judgement
        assert again.measurement == small.measurement
        assert folder.held(held, top1=1.0, accuracy_loss=0.1).judgement.status is Status.PASSED


@pytest.mark.parametrize("unit", ["net", "small"])
def test_a_limit_on_labels_that_nobody_gave(tmp_path: Path, unit: str):
    with opened(tmp_path / "r") as folder:
        folder.add("net", ORIGINAL, labels=unit != "net")
        small = folder.add("small", NEAR, labels=unit != "small")
        held = folder.held(small, accuracy_loss=1.0)
    assert held.judgement.status is Status.NOT_RUN
    assert held.measurement.reason.startswith(f"no reference: {unit} has no accuracy")


def test_judging_again_keeps_what_limits_said(tmp_path: Path):
    with opened(tmp_path / "r", {**SAID, "top1": 1.0}) as folder:
        folder.add("net", ORIGINAL, expected=True)
        small = folder.add("small", FAR, expected=True)
        other = folder.add("small", NEAR, expected=True, name="e")
        folder.store.add_cases([folder.held(small, top1=1.0)])
        store = folder.store
        # It is right by its own reference: without its original it would pass now.
        result = rejudge(store, runtimes={"cell-a": "onnxruntime"})
        assert not result.changed
        found = {each.case: each.judgement for each in store.cases(unit="small")}
    assert found["small/d"].status is Status.FAILED
    assert found[other.case].status is Status.PASSED


def test_only_runs_with_variants_speak_of_them(tmp_path: Path):
    for head, told in (((), False), ((SAID,), True)):
        with opened(tmp_path / str(told), *head) as folder:
            folder.add("net", ORIGINAL)
            folder.add("small", NEAR)
            folder.store.set_cell(cell(counts={"passed": 2}))
            folder.store.finish()
            write_outputs(folder.store)
        text = (tmp_path / str(told) / "run.json").read_text("utf-8")
        assert ('"variants"' in text) is ("variant_of" in text) is told
        assert len(load(tmp_path / str(told)).variants) == told


def test_when_being_far_is_a_failure():
    assert not VariantOf(model="net").limited
    for limits in ({"accuracy_loss": 0.0}, {"top1": 0.0}, {"tolerance": (("float32", 1),)}):
        assert VariantOf(model="net", **limits).limited  # type: ignore[arg-type]
