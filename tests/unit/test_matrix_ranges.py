"""Version ranges become exact versions before anything else looks at the axis."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.matrix.load import load_matrix
from pytest_modelcompat.matrix.ranges import pick

THERE = (
    "1.15.0", "1.15.1", "1.16.3", "1.16.0", "1.20.0", "1.20.1", "1.21.0rc1", "1.9.0", "2.0.0",
    "2.1.0.dev3", "1.20.2+local",
)  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"low": "1.15"}, "1.15.1 1.16.3 1.20.1 2.0.0"),
        ({"low": "1.15", "every": "major"}, "1.20.1 2.0.0"),
        ({"low": "1.15.1", "every": "release"}, "1.15.1 1.16.0 1.16.3 1.20.0 1.20.1 2.0.0"),
        ({"low": "1.15", "high": "1.16"}, "1.15.1 1.16.3"),
        ({"low": "1.15", "high": "1.16.0"}, "1.15.1 1.16.0"),
        ({"low": "1.15", "high": "1"}, "1.15.1 1.16.3 1.20.1"),
        ({"low": "1.20", "pre": True}, "1.20.1 1.21.0rc1 2.0.0 2.1.0.dev3"),
        ({"latest": True}, "2.0.0"),
        ({"latest": True, "pre": True}, "2.1.0.dev3"),
        ({"low": "3"}, ""),
    ],
)
def test_what_a_range_means(asked: dict[str, object], found: str) -> None:
    assert " ".join(pick(THERE, **asked)) == found


def load(folder: Path, versions: str, *, more: str = "", there: tuple[str, ...] = THERE):
    asked = []

    def releases(distribution: str, day: str | None) -> tuple[str, ...]:
        asked.append((distribution, day))
        return there if distribution == "onnxruntime" else ()

    file = folder / "m.yaml"
    file.write_text(f"axes:\n  framework:\n    onnxruntime: {versions}\n{more}")
    return load_matrix(file, lookup=releases), asked


def test_cells_have_exact_versions_and_the_plan_says_where_from(tmp_path: Path) -> None:
    matrix, asked = load(tmp_path, '[{from: "1.15", every: minor}]')
    found = [cell.framework.version for cell in matrix.cells]
    assert found == ["1.15.1", "1.16.3", "1.20.1", "2.0.0"]
    assert matrix.cells[0].requirements == ("onnxruntime==1.15.1",)
    assert matrix.notes[0] == ("onnxruntime from 1.15 every minor is 1.15.1, 1.16.3, 1.20.1, 2.0.0")
    assert asked == [("onnxruntime", None)]


def test_a_range_is_resolved_as_of_the_matrix_day(tmp_path: Path) -> None:
    _, asked = load(tmp_path, "[latest]", more="exclude_newer: 2026-11-01\n")
    assert asked == [("onnxruntime", "2026-11-01")]


def test_what_is_written_out_wins_over_a_range_and_keeps_its_long_form(tmp_path: Path) -> None:
    matrix, _ = load(
        tmp_path,
        '[{from: "1.16", packages: ["numpy<3"]}, {value: "1.20.1", packages: ["numpy<2"]}, latest]',
    )
    found = {cell.framework.version: cell.requirements[1:] for cell in matrix.cells}
    assert found == {"1.16.3": ("numpy<3",), "1.20.1": ("numpy<2",), "2.0.0": ("numpy<3",)}


def test_nothing_is_looked_up_without_a_range(tmp_path: Path) -> None:
    _, asked = load(tmp_path, '["1.20.1"]')
    assert asked == []


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ("[{every: minor}]", "A range needs `from`."),
        ('[{from: "1.x"}]', "`from` of a range cannot be '1.x'."),
        ("[{from: --index-url=x}]", "`from` of a range cannot be"),
        ('[{from: "1.15", every: month}]', "`every` cannot be 'month'."),
        ('[{from: "1.15", pre: perhaps}]', "`pre` cannot be 'perhaps'."),
        ('[{value: latest, from: "1.15"}]', "`latest` means one version"),
        ('[{value: "1.20.1", from: "1.15"}]', "one version or a range, not both"),
        ('[{from: "9"}]', "There is no version of onnxruntime in the range from 9 every minor."),
        ('[{from: "1.15", id: x, odd: y}]', "has no key 'odd'"),
    ],
)
def test_mistakes_are_told_with_their_place(versions: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageProblem) as caught:
        load(tmp_path, versions)
    problem = caught.value.problems[0]
    assert words in problem.message
    assert problem.line == 3


def test_nobody_to_ask(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text("axes: {framework: {onnxruntime: [latest]}}\n")
    with pytest.raises(UsageProblem, match="where an index may be asked"):
        load_matrix(file)


def test_no_index_has_it(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="No index has a version of 'onnxruntime'"):
        load(tmp_path, "[latest]", there=())
