"""What the view says of operators, models, cells and failures."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_modelcompat.report.data import read
from pytest_modelcompat.report.lanes import targets_text
from pytest_modelcompat.report.parity import heat
from pytest_modelcompat.report.states import CASE_STATES, CELL_STATES
from pytest_modelcompat.report.text import clean, number
from pytest_modelcompat.report.view import View, build
from pytest_modelcompat.results.model import CellStatus, Status
from tests.browser.folders import Made, small
from tests.browser.synthetic import Draw, write

if TYPE_CHECKING:
    from pathlib import Path

TO = "\N{EN DASH}"


def view(folder: Path, *cells: Made, **info: object) -> View:
    return build(read(small(folder, cells, **info)))


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> View:
    return build(read(write(tmp_path_factory.mktemp("usual"), Draw(cases=800))))


def test_every_status_has_a_state_with_its_own_glyph_letter_and_text():
    assert {status.value for status in Status} < {state.key for state in CASE_STATES}
    assert {status.value for status in CellStatus} < {state.key for state in CELL_STATES}
    for states in (CASE_STATES, CELL_STATES):
        for part in ("glyph", "letter", "text"):
            assert len({getattr(state, part) for state in states}) == len(states)
    # Of a bar in forced colours only the pattern is left.
    alike = [state.pattern for state in CASE_STATES]
    assert len(set(alike)) == len(alike), "two states look alike without their text"


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        (["P", "P", "P"], ["1.0+ passed"]),
        (["P", "F", "F"], ["1.0 passed", "1.1+ failed"]),
        (["P", "P", "F"], [f"1.0{TO}1.1 passed", "1.2 failed"]),
        (["F", "P", "F"], ["1.0 failed", "1.1 passed", "1.2 failed"]),
        (["P", "L", "L"], ["1.0 passed", "1.1+ fallback"]),
        (["K", "P", "P"], ["1.0 known", "1.1+ passed"]),
        (["P", "O", "P"], ["1.0+ passed"]),  # the gap is told beside it
        (["P", "P", "O"], [f"1.0{TO}1.1 passed"]),  # nothing is claimed of the newest one
        (["PG", "PG", "PP"], ["1.0+ passed"]),  # a gated case is not about the operator
        (["GG", "GG", "PP"], [f"1.0{TO}1.1 gated", "1.2 passed"]),
        (["PF", "PP", "PP"], ["1.0 failed", "1.1+ passed"]),
        (["PS", "PS", "PS"], ["1.0+ passed"]),
    ],
)
def test_operator_ranges(tmp_path: Path, versions: list[str], expected: list[str]):
    cells = [
        Made(
            version=f"1.{n}", cases=cases, per_unit=len(cases),
            status="unsatisfiable" if cases == "O" else "completed",
        )
        for n, cases in enumerate(versions)
    ]  # fmt: skip
    (row,) = view(tmp_path, *cells).operators.rows
    assert [f"{part.text} {CASE_STATES[part.state].key}" for part in row.cells[0]] == expected


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        (["UUUP", "UPPP"], [("1.0+", "unsupported", False, "1~3", "4")]),
        (["FPPP", "FFPPP"], [("1.0+", "failed", False, "1~2", "4~5")]),
        # What is known is wrong, too, and is not hidden by what is merely unsupported.
        (["UKKP", "UPPP"], [("1.0", "unsupported", True, "3", "4"),
                            ("1.1", "unsupported", False, "1", "4")]),
        (["KKPP", "KPPP"], [("1.0+", "known", False, "1~2", "4")]),
        # Not asked is no wrong answer, nor is a right one on another provider.
        (["GPPP", "SOPP", "GLPP"], [("1.0~1.1", "passed", False, "", "4"),
                                    ("1.2", "fallback", False, "", "4")]),
        (["GGGG"], [("1.0", "gated", False, "", "4")]),
    ],
)  # fmt: skip
def test_the_numbers_of_a_range_hold_for_each_of_its_versions(
    tmp_path: Path, versions: list[str], expected: list[tuple[str, str, bool, str, str]]
):
    cells = [Made(version=f"1.{n}", cases=c, per_unit=9) for n, c in enumerate(versions)]
    (row,) = view(tmp_path, *cells).operators.rows
    assert [
        (r.text, CASE_STATES[r.state].key, r.known, r.wrong, r.total) for r in row.cells[0]
    ] == [(text.replace("~", TO), key, known, wrong.replace("~", TO), total.replace("~", TO))
          for text, key, known, wrong, total in expected]  # fmt: skip


def test_a_range_tells_its_states_in_words(tmp_path: Path):
    cells = [Made(version=f"1.{n}", cases=c, per_unit=9) for n, c in enumerate(("UKPP", "UKKP"))]
    (row,) = view(tmp_path, *cells).operators.rows
    assert row.cells[0][0].told == f"1 unsupported, 1{TO}2 known, of 4"


@pytest.mark.parametrize(
    ("letters", "broke", "unsteady", "plain"),
    [
        ("PPP", False, False, True),
        ("FPP", False, False, False),
        ("PPF", True, False, False),
        ("PFP", True, True, False),
        ("FPF", True, True, False),
        ("PGP", True, False, False),
        ("PUU", True, False, False),
        ("PLP", False, False, False),
        ("KKP", False, False, False),
        ("PKK", True, False, False),  # a known issue excuses it, it did stop working
    ],
)
def test_operators_that_stopped_working(
    tmp_path: Path, letters: str, *, broke: bool, unsteady: bool, plain: bool
):
    cells = [Made(version=f"1.{n}", cases=letter) for n, letter in enumerate(letters)]
    (row,) = view(tmp_path, *cells).operators.rows
    assert (row.broke, row.unsteady, row.plain) == (broke, unsteady, plain)


def test_a_case_that_could_not_be_asked_before_breaks_nothing(tmp_path: Path):
    """Seen with QuantizeLinear: gated until 1.23, one new case unsupported since."""
    (row,) = view(
        tmp_path,
        Made(version="1.0", cases="PPG", per_unit=3),
        Made(version="1.1", cases="PPU", per_unit=3),
    ).operators.rows
    assert not row.broke
    assert [CASE_STATES[part.state].key for part in row.cells[0]] == ["passed", "unsupported"]


def test_wrong_values_of_two_operators_are_two_clusters_and_one_message_is_one(tmp_path: Path):
    made = view(tmp_path, Made(version="1.0", cases="FFEE")).clusters
    assert [(c.signature, c.cases) for c in made] == [
        ("error thing", 2),
        ("ai.onnx::Op0: failed value float32", 1),
        ("ai.onnx::Op1: failed value float32", 1),
    ]


def test_an_output_with_equal_bytes_is_exact_and_one_without_a_reference_is_not(tmp_path: Path):
    folder = small(tmp_path, [Made(version="1.0", models={"m/d": ("P", None)})])
    (row,) = build(read(folder)).parity.rows
    assert [(c.text, c.step, c.within, c.measured) for c in row.cells if c] == [("0", 0, 1, 1)]
    packed = folder / "cases.jsonl.gz"
    text = gzip.decompress(packed.read_bytes()).replace(b'"kind": "onnx"', b'"kind": "none"')
    packed.write_bytes(gzip.compress(text))
    (row,) = build(read(folder)).parity.rows
    assert [(c.text, c.step, c.within, c.measured) for c in row.cells if c] == [("✓", -1, 0, 0)]


def test_targets_with_the_same_answers_share_a_column(tmp_path: Path):
    cells = [
        Made(version=version, cases="PF" if python == "3.13" else "PP", python=python)
        for python in ("3.11", "3.12", "3.13")
        for version in ("1.0", "1.1")
    ]
    targets = view(tmp_path, *cells).operators.targets
    assert [(target.where, target.targets) for target in targets] == [
        ("Python 3.11 and 3.12, host, CPU", 2),
        ("Python 3.13, host, CPU", 1),
    ]


def test_matrix_rows_that_are_identical_collapse_and_the_worst_come_first(tmp_path: Path):
    cells = [
        *(Made(version="1.0", cases="PPP", python=python) for python in ("3.9", "3.10")),
        Made(version="1.0", cases="PFP", python="3.11"),
        Made(version="1.0", cases="OOO", python="3.12", status="environment_failed", reason="no"),
        Made(version="1.0", cases="OOO", python="3.13", status="unavailable"),
    ]
    (facet,) = view(tmp_path, *cells).grid.facets
    assert [(row.label, row.rows) for row in facet.rows] == [
        ("Python 3.12", 1),
        ("Python 3.11", 1),
        ("Python 3.13", 1),
        ("Python 3.9 and 3.10", 2),
    ]
    assert [row.faces[0][0].headline for row in facet.rows] == [
        "environment failed", "1 failing", "unavailable", "0 failing",
    ]  # fmt: skip
    assert len(facet.rows[3].faces[0]) == 2, "every cell of a joined row keeps its anchor"


def test_a_cell_that_measured_nothing_never_looks_like_one_that_passed(tmp_path: Path):
    faces = view(
        tmp_path,
        Made(version="1.0", cases="OO"),
        Made(version="1.1", cases="SS"),
        Made(version="1.2"),
    ).faces
    assert [face.headline for face in faces] == ["nothing measured"] * 3
    assert not any(face.measured for face in faces)


def test_bars_fill_their_width_and_show_the_smallest_failure(usual: View):
    for face in usual.faces:
        if face.segments:
            last = face.segments[-1]
            assert last.x + last.width == pytest.approx(100, abs=0.1)
            assert min(segment.width for segment in face.segments) >= 2
            assert sum(segment.cases for segment in face.segments) == face.total


def test_clusters_join_by_signature_and_tell_the_first_bad_version(tmp_path: Path):
    made = view(
        tmp_path,
        Made(version="1.0", cases="PPPU"),
        Made(version="1.1", cases="EEPU"),
        Made(version="1.2", cases="EEFU"),
    ).clusters
    assert [(c.kind, c.signature, c.cases, c.new, c.versions) for c in made] == [
        ("failure", "error thing", 4, 2, (("onnxruntime", "1.1+"),)),
        ("failure", "ai.onnx::Op2: failed value float32", 1, 1, (("onnxruntime", "1.2"),)),
        ("info", "unsupported thing", 3, 0, (("onnxruntime", "all 3 versions"),)),
    ]
    assert made[0].message == "error thing 0"
    assert made[0].units == ("ai.onnx::Op0", "ai.onnx::Op1")


def test_what_passes_against_a_known_issue_is_not_called_failing(tmp_path: Path):
    made = view(
        tmp_path,
        Made(version="1.0", cases="PPP"),
        Made(version="1.1", cases="PpP"),
        Made(version="1.2", cases="FpP"),
    )
    (unexpected,) = [c for c in made.clusters if CASE_STATES[c.state].key == "xpass"]
    assert (unexpected.kind, unexpected.cases, unexpected.since) == ("failure", 2, ())
    told = {face.headline for face in made.faces}
    assert told == {"0 failing", "1 unexpectedly passing", "2 failing"}


def test_parity_shows_the_worst_data_set_and_what_it_was_judged_against(tmp_path: Path):
    section = view(
        tmp_path,
        Made(version="1.0", models={"m/d0": ("P", 0.002), "m/d1": ("P", 0.5), "z/d": ("P", 0)}),
        Made(version="1.1", models={"m/d0": ("P", 0.002), "m/d1": ("F", 40), "z/d": ("L", 0)}),
        Made(version="1.2", status="unavailable", models={"m/d0": ("O", None)}),
    ).parity
    assert section.reference == "onnx (onnx==1.23.2)"
    assert [column.version for column in section.columns] == ["1.0", "1.1"]
    assert [row.model for row in section.rows] == ["m", "z"]
    first = [(c.text, c.step, c.within, c.measured, c.total) for c in section.rows[0].cells if c]
    assert first == [("0.50", 4, 2, 2, 2), ("40", 6, 1, 2, 2)]
    states = [CASE_STATES[c.state].key for c in section.rows[1].cells if c]
    assert states == ["passed", "fallback"]


def test_producers_of_a_model_are_rows_of_their_own(tmp_path: Path):
    models = {f"m/torch==2.13.0,onnx-dynamo,opset{n}/d": ("P", 0.1) for n in (13, 17)}
    rows = view(tmp_path, Made(version="1.0", models=models)).parity.rows
    assert [row.variant for row in rows] == [
        "torch==2.13.0,onnx-dynamo,opset13", "torch==2.13.0,onnx-dynamo,opset17",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ratio", "step"),
    [(0, 0), (1e-9, 1), (1e-3, 1), (0.0011, 2), (0.1, 3), (1, 4), (1.001, 5), (10, 5), (100, 6),
     (101, 7), (float("inf"), 7), (float("nan"), -1)],
)  # fmt: skip
def test_heat_steps_are_powers_of_ten_and_turn_at_the_tolerance(ratio: float, step: int):
    assert heat(ratio) == step


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1e-7, "1e-7"), (0.02, "0.02"), (0.5, "0.50"), (3.25, "3.2"), (940, "940"),
     (9999, "9,999"), (4e5, "4e5"), (float("inf"), "∞"), (float("nan"), "NaN")],
)  # fmt: skip
def test_numbers_in_few_characters(value: float, text: str):
    assert number(value) == text


def test_totals_count_every_planned_case_once(usual: View):
    totals = usual.totals
    assert sum(n for _, n in totals.cases) == totals.case_count
    assert totals.case_count == sum(sum(cell.counts.values()) for cell in usual.data.cells)
    assert sum(n for _, n in totals.cells) == totals.cell_count == len(usual.data.cells)
    assert totals.moves == sum(v.lanes for s in usual.steps for v in s.verdicts)


def test_the_world_of_the_synthetic_run_is_found_again(usual: View):
    broke = {row.unit.partition("::")[2] for row in usual.operators.rows if row.broke}
    assert {"Tile", "ScatterND", "QLinearConv"} <= broke
    newest = next(s for s in usual.steps if s.title == "onnxruntime 1.24.4 → 1.28.0")
    assert {"no", "unknown"} == {verdict.kind for verdict in newest.verdicts}
    openvino = next(s for s in usual.steps if s.distribution == "onnxruntime-openvino")
    assert openvino.verdicts[0].kind == "fallback"


def test_columns_keep_what_was_written(usual: View):
    cases = usual.data.cases
    for position, cell in enumerate(usual.data.cells):
        seen = np.bincount(cases.column("status", position), minlength=len(Status))
        counts = {status.value: int(seen[n]) for n, status in enumerate(Status) if seen[n]}
        assert counts == dict(cell.counts)


def test_rows_of_a_cell_are_neighbours_whatever_order_they_were_written_in(tmp_path: Path):
    folder = small(tmp_path, [Made(version="1.0", cases="PFP"), Made(version="1.1", cases="EPP")])
    packed = folder / "cases.jsonl.gz"
    lines = gzip.decompress(packed.read_bytes()).splitlines(keepends=True)
    plain = build(read(folder))
    packed.write_bytes(gzip.compress(b"".join(lines[i] for i in (3, 0, 4, 1, 5, 2))))
    mixed = build(read(folder))
    assert mixed.steps == plain.steps
    assert mixed.clusters == plain.clusters
    assert [face.counts for face in mixed.faces] == [face.counts for face in plain.faces]


def test_targets_are_factored_only_where_they_are_a_full_product():
    def target(python: str, image: str) -> tuple[tuple[str, str], ...]:
        return (("python", python), ("image", image))

    full = [target(p, i) for p in ("3.9", "3.10") for i in ("host", "debian:trixie")]
    assert targets_text(full) == "Python 3.9 and 3.10, debian:trixie and host"
    assert targets_text(full[:3]) == "Python 3.9, debian:trixie and host; Python 3.10, host"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain — text ✓\n\ttab", "plain — text ✓\n\ttab"),
        ("\x1b[31mred\x07", "␛[31mred␇"),
        ("\u202eevil\u2066x", "⟨U+202E⟩evil⟨U+2066⟩x"),
        ("\ud800", "\ufffd"),
        ("a\u2028b\u200bc\ufeff", "a⟨U+2028⟩b⟨U+200B⟩c⟨U+FEFF⟩"),
        ("\x7f\x9b", "␡⟨U+009B⟩"),
    ],
)
def test_text_that_acts_is_made_visible(raw: str, shown: str):
    assert clean(raw) == shown
    assert clean(clean(raw)) == shown
