"""Every kind of mistake in a matrix gets a sentence, a place and a hint; never a traceback or hang.

The matrices of `bad_matrices/` say at their end, in lines that begin with `#!`, every problem that
must be told: place, sentence and hint. Files that no editor would keep (huge, binary, wrongly
encoded) are made here.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.matrix import load_matrices, load_matrix, yaml_nodes
from pytest_modelcompat.matrix.expand import MAX_CELLS_VARIABLE

FOLDER = Path(__file__).with_name("bad_matrices")
BAD = sorted(FOLDER.glob("*.yaml"))
GOOD = 'axes: {framework: {onnxruntime: ["1.31.1"]}, python: ["3.12"]}\n'


def problems_of(path: Path, **arguments: object) -> list[str]:
    """What is told about a matrix, one line each, as at the end of the files."""
    with pytest.raises(UsageProblem) as caught:
        load_matrix(path, **arguments)
    told = []
    for problem in caught.value.problems:
        same = str(problem.file) == str(path)
        file = "" if same else f"{Path(problem.file).relative_to(path.parent)} "
        hint = f" -> {problem.hint}" if problem.hint else ""
        place = f"{problem.line or '-'}:{problem.column or '-'}"
        told.append(f"{file}{place} {problem.message}{hint}")
    return told


def expected_of(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return [line[3:] for line in text.splitlines() if line.startswith("#! ")]


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_every_problem_is_told_with_place_and_hint(path: Path) -> None:
    assert expected_of(path), "the file does not say what must be told"
    assert problems_of(path) == expected_of(path)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_the_parser_without_libyaml_finds_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yaml_nodes, "_LOADER", yaml.SafeLoader)
    told, expected = problems_of(path), expected_of(path)
    if path.stem == "lone-surrogate":
        assert told == [
            "2:7 A lone surrogate is not a character. -> Remove the \\uD800 escape."
        ]  # libyaml finds it by itself
    elif "This is not YAML" in expected[0]:
        assert told  # the words and the place are the parser's own
    else:
        assert told == expected


def test_there_is_a_bad_matrix_for_each_noun_and_no_near_duplicates() -> None:
    assert len(BAD) >= 40
    bodies = [
        "".join(line for line in path.read_text().splitlines() if not line.startswith("#!"))
        for path in BAD
    ]
    assert len(set(bodies)) == len(bodies)
    sentences = {line.partition(" ")[2] for path in BAD for line in expected_of(path)}
    assert len(sentences) >= len(BAD)


def write(tmp_path: Path, data: bytes, name: str = "m.yaml") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


ODD_BYTES = {
    "empty": (b"", "-:- This matrix is empty. -> `modelcompat init` writes one to start from."),
    "comments only": (b"# to do\n\n", "-:- This matrix is empty."),
    "null": (b"~\n", "-:- This matrix is empty."),
    "end mark only": (b"---\n...\n", "-:- This matrix is empty."),
    "binary": (b"\x7fELF\x02\x01\x01\x00\x00\x03>abcdefghijkl", "-:- This file is binary"),
    "UTF-16 with mark": (
        GOOD.encode("utf-16"),
        "-:- This file is UTF-16, not UTF-8. -> Save it as UTF-8.",
    ),
    "UTF-16 without mark": (GOOD.encode("utf-16-le"), "-:- This file is UTF-16, not UTF-8."),
    "UTF-32": (GOOD.encode("utf-32"), "-:- This file is UTF-32, not UTF-8."),
    "Latin-1": (
        b"schema: 1\nname: r\xe9\n",
        "2:- This file is not UTF-8: byte 17 is invalid. -> Save it as UTF-8.",
    ),
    "deep lists": (
        b"axes:\n  framework: " + b"[" * 3000 + b"]" * 3000,
        "2:44 This is nested more than 32 levels deep.",
    ),
    "deep mappings": (b"{a: " * 3000 + b"1" + b"}" * 3000, "1:129 This is nested more than 32"),
    "deep without end": (b"- " * 100_000, "1:65 This is nested more than 32 levels deep."),
    "one line of brackets": (b"{" * 200_000, "1:33 This is nested more than 32 levels deep."),
    "more than a mebibyte": (
        b"#" * (2**20 + 1),
        "-:- This file has 1,048,577 bytes; a matrix has at most 1,048,576. -> Is it a data file?",
    ),
}


@pytest.mark.parametrize("what", ODD_BYTES)
def test_files_that_are_no_text_of_ours(what: str, tmp_path: Path) -> None:
    data, expected = ODD_BYTES[what]
    (told,) = problems_of(write(tmp_path, data))
    assert told.startswith(expected)


@pytest.mark.parametrize("known_issues", [b"", b"{}", b"\xff\xfe", b"&a [*a]"])
def test_a_known_issues_file_is_read_as_strictly(known_issues: bytes, tmp_path: Path) -> None:
    write(tmp_path, known_issues, "known.yaml")
    path = write(tmp_path, f"{GOOD}known_issues: [known.yaml]\n".encode())
    assert all(line.startswith("known.yaml ") for line in problems_of(path))


def test_no_file_at_all(tmp_path: Path) -> None:
    assert problems_of(tmp_path / "none.yaml")[0].startswith("-:- There is no matrix at ")


def test_a_gibibyte_is_not_read(tmp_path: Path) -> None:
    path = write(tmp_path, b"")
    os.truncate(path, 2**30)
    before = time.monotonic()
    assert problems_of(path)[0].startswith("-:- This file has 1,073,741,824 bytes; a matrix has")
    assert time.monotonic() - before < 60


@pytest.mark.parametrize("make", ["fifo", "device", "socket-like folder"])
def test_what_is_no_regular_file_is_not_waited_for(make: str, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    if make == "fifo":
        os.mkfifo(path)
    elif make == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    before = time.monotonic()
    with pytest.raises(UsageProblem) as caught:
        load_matrices([path])
    assert time.monotonic() - before < 60
    expected = "no matrix in this folder" if path.is_dir() else "not a regular file"
    assert expected in str(caught.value)


def test_a_folder_named_as_known_issues(tmp_path: Path) -> None:
    (told,) = problems_of(write(tmp_path, f"{GOOD}known_issues: [.]\n".encode()))
    assert told.startswith(". -:- This is a folder, not a file.")


def test_after_a_hundred_problems_it_stops(tmp_path: Path) -> None:
    path = write(tmp_path, b"".join(b"unknown%d: 1\n" % n for n in range(60_000)))
    before = time.process_time()
    told = problems_of(path)
    assert time.process_time() - before < 60
    assert len(told) == 101
    assert told[-1] == "-:- There are more than 100 problems; the first 100 are shown."


def test_more_rules_than_can_be_held_against_the_cells(tmp_path: Path) -> None:
    values = ", ".join(f'"{n}"' for n in range(1000))
    rules = "".join("- {python: '3.1'}\n" for _ in range(30_000))
    text = f"axes:\n  framework: {{onnx: ['1.18.0']}}\n  env: {{N: [{values}]}}\nexclude:\n{rules}"
    (told,) = problems_of(write(tmp_path, text.encode()))
    assert told == (
        "-:- 30,000 rules for 1,000 cells are too many. "
        "-> Say the same with fewer: a pattern matches many values."
    )


@pytest.mark.parametrize("text", ["many", "-1", "0", "1e9", "9" * 5000, "٣"])
def test_a_cell_limit_that_is_no_number(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MAX_CELLS_VARIABLE, text)
    (told,) = problems_of(write(tmp_path, GOOD.encode()))
    assert told.startswith("-:- MODELCOMPAT_MAX_CELLS is a number of cells, not '")


LONG = {
    "version": 'axes: {framework: {onnxruntime: ["%s"]}}' % ("9" * 5000),
    "requirement": GOOD + 'packages: ["numpy<%s"]' % ("9" * 5000),
    "pattern": GOOD + 'exclude: [{framework: "onnxruntime<%s"}]' % ("9" * 5000),
    "image": 'axes: {framework: {onnxruntime: ["1.0"]}, image: ["%s!"]}' % ("a." * 100_000),
    "name": GOOD + "name: %s" % ("n" * 100_000),
    "limit": GOOD + "limits: {case: %ss}" % ("9" * 5000),
    "opset": GOOD
    + "checks: {parity: {models: [{name: a, path: m.yaml, repeats: %s}]}}" % ("9" * 99),
    "path": GOOD + "checks: {parity: {models: [{name: net, path: %s}]}}" % ("p/" * 100_000),
    "key": GOOD + "%s: 1" % ("k" * 100_000),
    "link of links": GOOD + "checks: {parity: {models: [{name: net, path: loop}]}}",
}


@pytest.mark.parametrize("what", LONG)
def test_long_words_are_cut_in_the_sentence(what: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    before = time.process_time()
    for told in problems_of(write(tmp_path, LONG[what].encode())):
        assert len(told) < 400
    assert time.process_time() - before < 60


def test_nested_quantifiers_in_a_message_are_only_compiled(tmp_path: Path) -> None:
    entries = "- {id: slow, message: '(a+)+b[[c]'}\n- {id: long, message: '" + "(" * 2000 + "'}"
    write(tmp_path, entries.encode(), "known.yaml")
    path = write(tmp_path, f"{GOOD}known_issues: [known.yaml]\n".encode())
    (told,) = problems_of(path)
    assert "it has more than 1000 characters" in told


# Whatever is written, the answer is a matrix or a UsageProblem ------------------------------------

WORDS = st.sampled_from([
    "axes", "framework", "onnxruntime", "1.31.1", "python", "3.12", "image", "host", "provider",
    "checks", "op_support", "parity", "models", "name", "path", "m.yaml", "exclude", "include",
    "adjust", "match", "packages", "numpy<2", "env", "options", "limits", "30s", "known_issues",
    "~", "", "*x", "&x", "!x", "<<", "-1", "value", "id", "kind", "onnxruntime==1.31.1", "when",
    "tolerance", "float32", "rtol", "data", "random", "reference", "runtime", "skip", "\ud800\0",
])  # fmt: skip
TREES = st.recursive(
    WORDS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=30,
)


def load_or_refuse(tmp_path: Path, data: bytes) -> None:
    path = write(tmp_path, data)
    try:
        load_matrix(path)
    except UsageProblem as problem:
        assert str(problem).encode()  # noqa: PT017 - to be refused is one of two right answers


@settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tree=TREES, style=st.sampled_from([True, False]))
def test_any_tree(tmp_path: Path, tree: object, style: bool) -> None:
    text = yaml.safe_dump(tree, default_flow_style=style, allow_unicode=False)
    load_or_refuse(tmp_path, text.encode("utf-8", "surrogatepass"))


@settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()))
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    load_or_refuse(tmp_path, data)
    load_or_refuse(tmp_path, GOOD.encode() + data)


@settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_change_of_a_bad_matrix(tmp_path: Path, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(BAD)).read_bytes()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 20)))
    load_or_refuse(tmp_path, text[:start] + data.draw(st.binary(max_size=3)) + text[end:])
