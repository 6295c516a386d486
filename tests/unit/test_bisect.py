"""Between which two releases a case changed, by few probes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modelcompat.bisect import Found, Probe, _probe, search, summary
from pytest_modelcompat.matrix.load import load_matrix
from pytest_modelcompat.results.model import CellStatus, Outcome, Status
from pytest_modelcompat.results.stored import StoredCase, StoredCell

VERSIONS = [f"1.{minor}.0" for minor in range(2, 22)]


def asked(answers: str, *, every: bool = False) -> tuple[Found, list[str]]:
    """A search where `g` is good, `b` bad, `-` no answer; and what it asked for, in order."""
    versions = VERSIONS[: len(answers)]
    order: list[str] = []

    def probe(version: str) -> Probe:
        order.append(version)
        letter = answers[versions.index(version)]
        good = {"g": True, "b": False, "-": None}[letter]
        status = {"g": "passed", "b": "failed", "-": "unsatisfiable"}[letter]
        return Probe(version=version, good=good, status=status, packages=(f"ort=={version}",))

    return search(versions, probe, every=every), order


@pytest.mark.parametrize("at", range(1, 20))
def test_the_first_bad_release_is_found_by_few_probes(at: int) -> None:
    found, order = asked("g" * at + "b" * (20 - at))
    assert found.before is not None
    assert found.after is not None
    assert (found.before.version, found.after.version) == (VERSIONS[at - 1], VERSIONS[at])
    assert len(order) == len(set(order)) <= 7
    assert summary(found, every=False)[0] == f"first bad: {VERSIONS[at]} (failed)"


def test_the_first_good_release_too() -> None:
    found, _ = asked("bbbgg")
    assert summary(found, every=False)[:3] == [
        "first good: 1.5.0 (passed)",
        "last bad: 1.4.0 (failed)",
        "between them: only ort 1.4.0 → 1.5.0 changed",
    ]


def test_a_distance_is_told_in_few_digits() -> None:
    cell = StoredCell(id="c", matrix="m", axes={}, status=CellStatus.COMPLETED, outcome=Outcome.OK)
    case = StoredCase(
        cell="c", check="parity", unit="m", case="m/in", status=Status.PASSED, outcome=Outcome.OK,
        mismatch={"ratio": 0.00020480112575738167},
    )  # fmt: skip
    told = _probe("1.2.0", cell, case, (), frozenset({"passed"}))
    assert told.words == "0.000205 times the tolerance"


def test_releases_without_an_answer_are_passed_over_and_named() -> None:
    found, _ = asked("-gg--b-bb-")
    assert found.before is not None
    assert found.after is not None
    assert (found.before.version, found.after.version) == ("1.4.0", "1.7.0")
    assert "no answer from 1.2.0, 1.5.0, 1.6.0, " in summary(found, every=False)[-1] + ", "


@pytest.mark.parametrize(("answers", "word"), [("gggg", "good"), ("bb", "bad"), ("--", "without")])
def test_where_nothing_changes_that_is_told(answers: str, word: str) -> None:
    found, order = asked(answers)
    assert found.before is None
    assert found.after is None
    assert f"are {word}" in summary(found, every=False)[0]
    assert len(order) == 2


def test_a_search_over_all_shows_what_comes_and_goes() -> None:
    found, order = asked("ggbbgb", every=True)
    assert order == VERSIONS[:6]
    assert found.after is not None
    assert found.after.version == "1.4.0"
    told = summary(found, every=True)
    assert any(line.endswith("(it comes and goes)") for line in told)
    straight, _ = asked("ggbb", every=True)
    assert not any("comes and goes" in line for line in summary(straight, every=True))


def test_releases_that_the_file_does_not_name_get_cells_by_its_rules(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("""\
schema: 1
axes: {framework: {onnxruntime: ["1.20.1", "1.23.2"]}}
adjust: [{match: {framework: "onnxruntime<1.22"}, packages: ["numpy<2"]}]
checks: {op_support: {corpus: ["onnx==1.18.0"]}}
""")
    more = {"onnxruntime": ["1.21.0", "1.22.0", "1.23.2"], "openvino": ["1"]}
    cells = {c.framework.version: c for c in load_matrix(path, releases=more).cells}
    assert sorted(cells) == ["1.20.1", "1.21.0", "1.22.0", "1.23.2"]
    assert "numpy<2" in cells["1.21.0"].requirements
    assert "numpy<2" not in cells["1.22.0"].requirements
    ids = {cell.id for cell in load_matrix(path).cells}
    assert ids < {cell.id for cell in cells.values()}
