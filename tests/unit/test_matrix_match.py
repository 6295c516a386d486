"""Matchers: the table of what fits, a naive model, and the command line's way to write them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.matrix.match import check_pattern, matches, parse_select, pattern_matches
from pytest_modelcompat.matrix.model import Matcher

AXES = ("framework", "python", "image", "provider", "packages.numpy", "env.N", "options.o")


@pytest.mark.parametrize(
    ("axis", "pattern", "value", "fits"),
    [
        # framework: a distribution, then specifiers
        ("framework", "onnxruntime", "onnxruntime==1.20.1", True),
        ("framework", "onnxruntime", "onnxruntime-gpu==1.20.1", False),
        ("framework", "OnnxRuntime", "onnxruntime==1.20.1", True),  # names are not case-sensitive
        ("framework", "onnxruntime_gpu", "onnxruntime-gpu==1.20.1", True),
        ("framework", "onnxruntime*", "onnxruntime-gpu==1.20.1", True),
        ("framework", "onnxruntime*>=1.20", "onnxruntime-gpu==1.20.1", True),
        ("framework", "onnxruntime<1.19", "onnxruntime==1.18.1", True),
        ("framework", "onnxruntime<1.19", "onnxruntime==1.20.1", False),
        ("framework", "onnxruntime >= 1.20, < 1.25", "onnxruntime==1.24.4", True),
        ("framework", "onnxruntime>=1.20,<1.25", "onnxruntime==1.25.0", False),
        ("framework", "onnxruntime==1.20.*", "onnxruntime==1.20.1", True),
        ("framework", "onnxruntime==1.20", "onnxruntime==1.20.0", True),
        ("framework", "onnxruntime==1.20", "onnxruntime==1.20.1", False),
        ("framework", "onnxruntime!=1.20.1", "onnxruntime==1.20.1", False),
        ("framework", "onnxruntime~=1.20", "onnxruntime==1.31.1", True),
        ("framework", "onnxruntime>=1.20", "onnxruntime==1.21.0rc1", True),  # pre-releases count
        ("framework", "onnxruntime>=1.20", "onnxruntime==1.20.0rc1", False),
        ("framework", "onnxruntime==1.20.1", "onnxruntime==1.20.1+cpu", True),
        ("framework", "onnxruntime", "onnxruntime==installed", True),
        ("framework", "onnxruntime>=1", "onnxruntime==installed", False),
        ("framework", "onnxruntime==installed", "onnxruntime==installed", True),
        ("framework", "onnxruntime == installed", "onnxruntime==1.0", False),
        ("framework", "onnxruntime == installed", "onnxruntime==installed", True),
        # python and packages: specifiers or shell patterns
        ("python", "3.12", "3.12", True),
        ("python", "3.1", "3.12", False),
        ("python", "3.1?", "3.12", True),
        ("python", "3.12", "3.12.1", False),
        ("python", "==3.12.*", "3.12.1", True),
        ("python", ">=3.10", "3.9", False),
        ("python", ">=3.10", "3.10", True),
        ("python", ">=3.10,<3.13", "3.12.1", True),
        ("python", ">=3.10", "3.13t", True),
        ("python", "3.13t", "3.13t", True),
        ("python", ">=3", "image", False),
        ("python", "image", "image", True),
        ("python", "*/bin/python3.9", "/opt/py/bin/python3.9", True),
        ("python", "!=3.12", "3.12", False),
        ("python", "!=3.12", "3.11", True),
        ("python", "~=3.10", "3.12", True),
        ("python", "~=3.10", "3.9", False),
        ("python", ">=3.15", "3.15.0rc1", False),
        ("python", ">=3.14", "3.15.0rc1", True),
        ("packages.numpy", "<2", "1.26.4", True),
        ("packages.numpy", "1.*", "1.26.4", True),
        ("packages.numpy", ">=2", "1.26.4", False),
        # everything else: shell patterns, case-sensitive, no versions
        ("image", "debian:*", "debian:bookworm", True),
        ("image", "Debian:*", "debian:bookworm", False),
        ("image", "host", "host", True),
        ("provider", "CUDA*", "CUDAExecutionProvider", True),
        ("provider", "cuda*", "CUDAExecutionProvider", False),
        ("provider", "[CX]*", "XnnpackExecutionProvider", True),
        ("env.N", ">=4", "8", False),
        ("env.N", "[48]", "8", True),
        ("options.o", "*", "", True),
    ],
)
def test_one_pattern(axis: str, pattern: str, value: str, fits: bool) -> None:
    assert check_pattern(axis, pattern) is None
    assert pattern_matches(axis, pattern, value) is fits


def test_all_axes_any_pattern_absent_never() -> None:
    cell = (("framework", "onnxruntime==1.20.1"), ("python", "3.12"))
    assert matches(Matcher(), cell)
    assert matches(Matcher(), ())
    both = Matcher(patterns=(("framework", ("openvino", "onnxruntime")), ("python", ("3.12",))))
    assert matches(both, cell)
    assert matches(both, dict(cell))
    assert not matches(both, cell[:1])  # the axis is absent
    assert not matches(Matcher(patterns=(("image", ("*",)),)), cell)
    assert not matches(Matcher(patterns=(("python", ("3.1", "3.11")),)), cell)


# The same, said in another way: versions as tuples, shell patterns as prefixes -------------------

VERSIONS = st.tuples(st.integers(1, 3), st.integers(0, 30)).map(lambda pair: f"{pair[0]}.{pair[1]}")
SPECIFIERS = st.tuples(st.sampled_from([">=", "<=", ">", "<", "==", "!="]), VERSIONS)


def naive_version(specifiers: list[tuple[str, str]], value: str) -> bool:
    compare = {
        ">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b,
        "<": lambda a, b: a < b, "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
    }  # fmt: skip
    parts = tuple(map(int, value.split(".")))
    return all(
        compare[operator](parts, tuple(map(int, other.split("."))))
        for operator, other in specifiers
    )


NAMES = st.sampled_from(["onnxruntime", "onnxruntime-gpu", "openvino"])
CELLS = st.fixed_dictionaries(
    {"framework": st.tuples(NAMES, VERSIONS), "python": VERSIONS},
    optional={"packages.numpy": VERSIONS, "env.N": st.sampled_from(["1", "12", "x"])},
)
FRAMEWORKS = st.lists(st.tuples(NAMES, st.lists(SPECIFIERS, max_size=2)), min_size=1, max_size=3)
RANGES = st.lists(st.lists(SPECIFIERS, min_size=1, max_size=2), min_size=1, max_size=3)
PREFIXES = st.lists(st.sampled_from(["1", "x", "12", ""]), min_size=1, max_size=2)
MATCHERS = st.fixed_dictionaries(
    {},
    optional={
        "framework": FRAMEWORKS, "python": RANGES, "packages.numpy": RANGES, "env.N": PREFIXES
    },
)  # fmt: skip


def naive(matcher: dict, cell: dict) -> bool:
    def one(axis: str) -> bool:
        if axis not in cell:
            return False
        if axis == "framework":
            name, version = cell[axis]
            return any(
                name == each and naive_version(specifiers, version)
                for each, specifiers in matcher[axis]
            )
        if axis == "env.N":
            return any(cell[axis].startswith(prefix) for prefix in matcher[axis])
        return any(naive_version(specifiers, cell[axis]) for specifiers in matcher[axis])

    return all(one(axis) for axis in matcher)


def joined(specifiers: list[tuple[str, str]]) -> str:
    return ",".join(operator + version for operator, version in specifiers)


@settings(deadline=None)
@given(matcher=MATCHERS, cell=CELLS)
def test_a_naive_model_agrees(matcher: dict, cell: dict) -> None:
    patterns = []
    for axis, wanted in matcher.items():
        if axis == "framework":
            written = [name + joined(specifiers) for name, specifiers in wanted]
        elif axis == "env.N":
            written = [prefix + "*" for prefix in wanted]
        else:
            written = [joined(specifiers) for specifiers in wanted]
        assert all(check_pattern(axis, each) is None for each in written)
        patterns.append((axis, tuple(written)))
    axes = {**cell, "framework": "==".join(cell["framework"])}
    assert matches(Matcher(patterns=tuple(patterns)), axes) is naive(matcher, cell)


# --compat-select ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("", ()),
        (
            "framework:onnxruntime>=1.25 python:3.12",
            (("framework", ("onnxruntime>=1.25",)), ("python", ("3.12",))),
        ),
        ("python:3.11 python:3.12", (("python", ("3.11", "3.12")),)),
        ("image:debian:bookworm", (("image", ("debian:bookworm",)),)),
        ("'image:a b*' env.N:4", (("image", ("a b*",)), ("env.N", ("4",)))),
        ("framework:'onnxruntime >= 1.25'", (("framework", ("onnxruntime >= 1.25",)),)),
    ],
)
def test_selection(text: str, patterns: tuple) -> None:
    assert parse_select(text, AXES) == Matcher(patterns=patterns)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("onnxruntime", "axis:pattern, not 'onnxruntime'"),
        ("python:", "axis:pattern, not 'python:'"),
        (":3.12", "axis:pattern, not ':3.12'"),
        ("framework:onnxruntime >= 1.25", "axis:pattern, not '>='"),
        ("pythn:3.12", "no axis 'pythn'. Did you mean 'python'?"),
        ("packages:numpy", "Each key is an axis of its own: write 'packages.numpy'."),
        ("python:'3.12", "axis:pattern"),
        ("framework:onnxruntime=1.25", "cannot be matched with framework"),
        ("framework:git+https://x", "cannot be matched with framework"),
        ("python:>=x", "cannot be matched with python"),
        ("image:a\x1b[31m", "control character U+001B"),
    ],
)
def test_bad_selection(text: str, told: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        parse_select(text, AXES)
    assert told in str(caught.value)


def test_all_mistakes_of_a_selection_are_told() -> None:
    with pytest.raises(UsageProblem) as caught:
        parse_select("a b pythn:3 python:>x", AXES)
    assert len(caught.value.problems) == 4


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_selection(text: str) -> None:
    try:
        matcher = parse_select(text, AXES)
    except UsageProblem as problem:
        assert str(problem)  # noqa: PT017 - to be refused is one of two right answers
    else:
        matches(matcher, dict.fromkeys(AXES, "1"))


def test_half_a_million_questions_a_second() -> None:
    """500 cells x 40 known issues x ... : the same questions, asked again and again."""
    cells = [
        {"framework": f"onnxruntime=={n % 25}.{n}", "python": f"3.{n % 8}", "provider": "CPU"}
        for n in range(500)
    ]
    matchers = [
        Matcher(patterns=(("framework", (f"onnxruntime<{n % 25}.{n}",)), ("python", (">=3.4",))))
        for n in range(40)
    ]
    for cell in cells:  # the first time costs parsing
        for matcher in matchers:
            matches(matcher, cell)
    before = time.process_time()
    for cell in cells:
        for matcher in matchers:
            matches(matcher, cell)
    assert time.process_time() - before < 60  # a guard against a loop gone wild, no measurement


# What is wrong with a pattern ---------------------------------------------------------------------


def wrong(axis: str, pattern: str) -> str:
    sentence = check_pattern(axis, pattern)
    assert sentence is not None
    return f"{sentence.message} {sentence.hint}"


def test_a_pattern_may_be_long_but_not_longer() -> None:
    assert check_pattern("image", "x" * 500) is None
    told = wrong("image", "x" * 501)
    assert "image" in told
    assert "xxx" in told
    assert "at most 500 characters" in told


def test_a_pattern_is_printable() -> None:
    assert wrong("image", "a\x00b").startswith("A pattern ")


def test_a_pattern_of_the_framework_is_a_distribution() -> None:
    told = wrong("framework", ">=1.20")
    assert "Write a distribution with specifiers, such as `onnxruntime>=1.20,<1.25`." in told
    assert "'>=1.20'" in told
    assert "framework" in told


@pytest.mark.parametrize("axis", ["python", "packages.numpy"])
def test_a_specifier_is_one_also_after_a_blank(axis: str) -> None:
    for pattern in (">=x", " >=x"):
        told = wrong(axis, pattern)
        assert "Write specifiers such as `>=3.10` or `==3.12.*`." in told
        assert axis in told
    assert check_pattern(axis, " >=3") is None
    assert pattern_matches(axis, " >=3", "3.12")
    assert not pattern_matches(axis, " >=3", "2.7")


@pytest.mark.parametrize(
    ("axis", "value"),
    [("framework", "onnxruntime=={}"), ("python", "{}"), ("packages.numpy", "{}")],
)
def test_what_nobody_can_read_fits_nothing(axis: str, value: str) -> None:
    name = "onnxruntime" if axis == "framework" else ""
    assert not pattern_matches(axis, f"{name}>=x", value.format("1.0"))
    assert not pattern_matches(axis, f"{name}>=1", value.format("one"))
    assert pattern_matches(axis, f"{name}>=1", value.format("1.0"))


def test_names_in_brackets_keep_their_dashes() -> None:
    assert pattern_matches("framework", "onnxruntime[-x]gpu", "onnxruntime-gpu==1.0")
    assert pattern_matches("framework", "OnnxRuntime[-X]gpu", "onnxruntime-gpu==1.0")
    assert not pattern_matches("framework", "onnxruntime[_x]gpu", "onnxruntime-gpu==1.0")


def test_a_release_is_what_follows_the_first_two_equals() -> None:
    assert not pattern_matches("framework", "onnxruntime==1.0", "onnxruntime==1.0==1.0")
    assert pattern_matches("framework", "onnxruntime", "onnxruntime==1.0==1.0")
    assert pattern_matches("framework", "onnxruntime", "onnxruntime")
    assert not pattern_matches("framework", "", "onnxruntime==1.0")
