"""From files to expanded matrices: parse at the edge, tell every problem at once.

Past this module nobody sees a raw mapping.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pytest_modelcompat.errors import Problem, UsageProblem
from pytest_modelcompat.errors import matrix as words
from pytest_modelcompat.errors import yaml_file as file_words
from pytest_modelcompat.matrix import grammar
from pytest_modelcompat.matrix.base import load_base
from pytest_modelcompat.matrix.declared import Declared
from pytest_modelcompat.matrix.defaults import defaults
from pytest_modelcompat.matrix.expand import expand, select_cells
from pytest_modelcompat.matrix.known import load_known_issues
from pytest_modelcompat.matrix.limits import parse_limits
from pytest_modelcompat.matrix.load_axes import (
    AXES_KEYS,
    axis_names,
    parse_axes,
    parse_providers,
)
from pytest_modelcompat.matrix.load_checks import parse_checks
from pytest_modelcompat.matrix.load_rules import (
    parse_adjust,
    parse_exclude,
    parse_include,
    refuse_axes,
    reuse_declared,
)
from pytest_modelcompat.matrix.load_values import Context
from pytest_modelcompat.matrix.match import parse_select
from pytest_modelcompat.matrix.model import Matrix
from pytest_modelcompat.matrix.reading import Reader
from pytest_modelcompat.matrix.yaml_nodes import (
    ListNode,
    Problems,
    parse,
    read_bytes,
)
from pytest_modelcompat.paths import text_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from typing import Literal

    from pytest_modelcompat.matrix.declared import AxisValue
    from pytest_modelcompat.matrix.ranges import Releases
    from pytest_modelcompat.matrix.yaml_nodes import Node

__all__ = ["load_matrices", "load_matrix"]

SCHEMA = 1
_KEYS = (
    "schema", "name", "axes", "packages", "adjust", "exclude", "include", "exclude_newer",
    "limits", "checks", "on_unsupported", "known_issues", "base",
)  # fmt: skip
_EXAMPLE = 'schema: 1, axes: {framework: {onnxruntime: ["1.31.1"]}}'


def load_matrix(
    path: Path,
    *,
    select: str | None = None,
    checks: Collection[str] = (),
    runtimes: Collection[str] = (),
    kinds: Mapping[str, Mapping[str, str]] | None = None,
    exports: Mapping[str, tuple[str, ...]] | None = None,
    releases: Mapping[str, Collection[str]] | None = None,
    lookup: Releases | None = None,
) -> Matrix:
    """One matrix file, parsed, checked and expanded.

    Args:
        path: of the file.
        select: as `--compat-select` writes it; the other cells land in `removed`.
        checks: names of checks that plugins added.
        runtimes: names of runtime adapters that plugins added.
        kinds: kinds of environments that plugins added, each with its settings (text or path).
        exports: exporters that plugins added, each with what it needs.
        releases: distribution -> versions that its framework axis has besides the file's.
        lookup: gives the versions in a range; without it ranges are mistakes.

    Raises:
        UsageProblem: with every problem of the file and of the files it names.
    """
    return load_matrices(
        [path],
        select=select,
        checks=checks,
        runtimes=runtimes,
        kinds=kinds,
        exports=exports,
        releases=releases,
        lookup=lookup,
    )[0]


def load_matrices(
    paths: Iterable[Path],
    *,
    select: str | None = None,
    checks: Collection[str] = (),
    runtimes: Collection[str] = (),
    kinds: Mapping[str, Mapping[str, str]] | None = None,
    exports: Mapping[str, tuple[str, ...]] | None = None,
    releases: Mapping[str, Collection[str]] | None = None,
    lookup: Releases | None = None,
) -> tuple[Matrix, ...]:
    """Every matrix of a run, names distinct.

    Args:
        paths: files, or folders whose *.yaml and *.yml files are meant; known-issues files in a
            folder (their top level is a list) are passed over.
        select: see `load_matrix`; an axis of any of the matrices may be named.
        checks: see `load_matrix`.
        runtimes: see `load_matrix`.
        kinds: see `load_matrix`.
        exports: see `load_matrix`.
        releases: see `load_matrix`.
        lookup: see `load_matrix`.

    Raises:
        UsageProblem: with every problem of all of them.
    """
    problems: list[Problem] = []
    found: list[tuple[Path, Matrix, tuple[str, ...]]] = []
    for path, of_folder in _files(paths, problems):
        try:
            known = Context(
                reader=Reader(Problems(path)),
                folder=path.parent,
                checks=checks,
                runtimes=runtimes,
                kinds=kinds or {},
                exports=exports or {},
                releases=lookup,
            )
            loaded = _load(path, of_folder=of_folder, known=known, releases=releases or {})
        except UsageProblem as problem:
            problems += problem.problems
            continue
        if loaded is not None:
            matrix, names = loaded
            same = next((each for each, other, _ in found if other.name == matrix.name), None)
            if same is not None:
                sentence = words.same_name(matrix.name, str(same))
                problems.append(_problem(sentence, path))
            found.append((path, matrix, names))
    if problems:
        raise UsageProblem(problems)
    if not found:
        raise UsageProblem([_problem(words.no_matrices(), path) for path in paths])
    matrices = tuple(matrix for _, matrix, _ in found)
    if select is None or not select.strip():
        return matrices
    axes = dict.fromkeys(name for _, _, names in found for name in names)
    axes |= dict.fromkeys(name for each in matrices for cell in each.cells for name, _ in cell.axes)
    matcher = parse_select(select, tuple(axes))
    return tuple(select_cells(matrix, matcher) for matrix in matrices)


def _problem(sentence: file_words.Sentence, file: Path) -> Problem:
    return Problem(message=sentence.message, hint=sentence.hint, file=file)


def _files(paths: Iterable[Path], problems: list[Problem]) -> list[tuple[Path, bool]]:
    """The files that are meant, each once, and whether they were found in a folder."""
    files: dict[str, tuple[Path, bool]] = {}
    for path in paths:
        if path.is_dir():
            try:
                inside = [(file, True) for file in sorted(path.iterdir()) if _may_be_matrix(file)]
            except OSError as error:
                problems.append(_problem(file_words.unreadable(error.strerror or str(error)), path))
                continue
        else:
            inside = [(path, False)]
        for file, of_folder in inside:
            files.setdefault(os.path.realpath(file), (file, of_folder))
    return list(files.values())


def _may_be_matrix(file: Path) -> bool:
    hidden = file.name.startswith(".")
    return file.suffix in {".yaml", ".yml"} and not hidden and not file.is_dir()


def is_known_issues(path: Path) -> bool:
    """Whether a file's top level is a list, as that of known issues is and no matrix' can be.

    A file that cannot be read is none; whoever loads it tells why.
    """
    ignored = Problems(path)
    data = read_bytes(path, ignored, "matrix")
    return data is not None and isinstance(parse(data, ignored, "matrix"), ListNode)


def _load(
    path: Path, *, of_folder: bool, known: Context, releases: Mapping[str, Collection[str]]
) -> tuple[Matrix, tuple[str, ...]] | None:
    """One file; None for a known-issues file that lies in the same folder."""
    problems = Problems(path)
    data = read_bytes(path, problems, "matrix")
    root = parse(data, problems, "matrix") if data is not None else None
    if isinstance(root, ListNode):
        if of_folder:
            return None
        problems.add(words.is_a_list(), root)
    elif root is not None and data is not None:
        file = Path(os.path.abspath(path))  # noqa: PTH100 - links stay as they were named
        context = replace(known, reader=Reader(problems), folder=file.parent)
        declared, digests = _declared(context, root, file)
        if not problems.found:
            declared = replace(declared, frameworks=_with(declared.frameworks, releases))
            cells, removed, notes = expand(declared, problems)
            problems.settle()
            matrix = Matrix(
                name=declared.name,
                file=file,
                digest=hashlib.sha256(hashlib.sha256(data).digest() + digests).hexdigest(),
                cells=cells,
                removed=removed,
                known_issues=declared.known_issues,
                on_unsupported=declared.on_unsupported,
                notes=(*declared.notes, *notes),
                files=tuple(context.files),
                python_assumed=_assumes_python(declared),
            )
            return matrix, declared.axis_names
    problems.settle()
    return None


def _assumes_python(declared: Declared) -> bool:
    """Whether a cell may get the Python of whoever loads the file, because none is named."""
    named = [{value.axis for value in cell.values} for cell in declared.include]
    return not declared.pythons or any("python" not in axes for axes in named)


def _with(
    frameworks: tuple[AxisValue, ...], releases: Mapping[str, Collection[str]]
) -> tuple[AxisValue, ...]:
    """The axis with more versions, each like its distribution's first value."""
    known = {(v.framework.distribution, v.framework.version) for v in frameworks if v.framework}
    more = []
    for distribution, versions in releases.items():
        first = next(
            (v for v in frameworks if v.framework and v.framework.distribution == distribution),
            None,
        )
        for version in versions:
            if first is None or first.framework is None or (distribution, version) in known:
                continue
            value = str(made := replace(first.framework, version=version))
            more.append(replace(first, value=value, id=value, framework=made))
    return (*frameworks, *more)


def _declared(context: Context, root: Node, file: Path) -> tuple[Declared, bytes]:
    reader = context.reader
    fields = reader.fields(root, "A matrix", _KEYS, _EXAMPLE)
    _check_schema(reader, fields.get("schema"))
    axes_node = fields.get("axes")
    context = replace(
        context,
        axis_names=axis_names(axes_node),
        exclude_newer=reader.text(
            fields.get("exclude_newer"),
            "`exclude_newer`",
            lambda text: grammar.date("The day", text),
        ),
    )
    axes_fields = (
        reader.fields(axes_node, "`axes`", AXES_KEYS, '{framework: {onnxruntime: ["1.31.1"]}}')
        if axes_node is not None
        else {}
    )
    axes, others = parse_axes(context, axes_fields)
    include = parse_include(context, fields.get("include"), axes["framework"])
    frameworks = [
        value.framework
        for value in (*axes["framework"], *(each for cell in include for each in cell.values))
        if value.framework
    ]
    providers = parse_providers(context, axes_fields.get("provider"), frameworks)
    include = reuse_declared(context, include, {**axes, **dict(others)}, providers)
    long_forms = (
        *axes.values(),
        providers.flat,
        *(values for _, values in providers.per_distribution),
        *(values for _, values in others),
        *(cell.values for cell in include),
    )
    for value in dict.fromkeys(chain.from_iterable(long_forms)):
        refuse_axes(context, value.env, value.options, value)
    known_issues, digests = load_known_issues(context, fields.get("known_issues"), file)
    base, base_digest = load_base(context, fields.get("base"))
    name = reader.text(
        fields.get("name"), "A matrix's name", lambda text: grammar.name("A matrix's name", text)
    )
    on_unsupported = reader.choice(
        fields.get("on_unsupported"), "`on_unsupported`", ("record", "fail")
    )
    declared = Declared(
        name=name or _name_of(file),
        file=file,
        axis_names=context.axis_names,
        frameworks=axes["framework"],
        pythons=axes["python"],
        images=axes["image"],
        providers=providers,
        others=others,
        packages=reader.texts(
            fields.get("packages"), "`packages`", '["protobuf<6"]', grammar.requirement
        ),
        adjust=parse_adjust(context, fields.get("adjust")),
        exclude=parse_exclude(context, fields.get("exclude")),
        include=include,
        exclude_newer=context.exclude_newer,
        limits=parse_limits(reader, fields.get("limits"), defaults().limits),
        checks=parse_checks(context, fields.get("checks")),
        on_unsupported=cast("Literal['record', 'fail']", on_unsupported or "record"),
        known_issues=known_issues,
        notes=tuple(context.notes),
        base=base,
    )
    return declared, digests + base_digest


def _check_schema(reader: Reader, node: Node | None) -> None:
    text = reader.text(node, "`schema`")
    if text is not None and text != str(SCHEMA):
        reader.tell(words.newer_schema(text, SCHEMA), node)


def _name_of(file: Path) -> str:
    """The file's stem, with what cannot stand in a name replaced."""
    stem = re.sub(r"\.{2,}", ".", re.sub(r"[^\w.+=@-]+", "-", text_of(file.stem))).lstrip("-._+=@")
    return stem or "matrix"
