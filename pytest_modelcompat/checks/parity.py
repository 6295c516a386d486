"""Does a model still give the right answers?

Every data set of every model becomes a case. Inputs and expected outputs go into one bundle per
model, named by its content; the model's files stay where they are. What is wrong with the data is
told before anything runs; what is wrong with the model is a result of the cells that load it.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.checks.datasets import DataError
from pytest_modelcompat.checks.model_data import data_sets, facts_of
from pytest_modelcompat.checks.model_files import ModelFiles, model_files, slug
from pytest_modelcompat.errors import Problem, UsageProblem
from pytest_modelcompat.errors import checks as words
from pytest_modelcompat.runner.plan import Making, PlannedCase, Workload
from pytest_modelcompat.worker import bundle as bundles
from pytest_modelcompat.worker import onnxdata

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_modelcompat.checks.datasets import DataSet
    from pytest_modelcompat.errors.matrix import Sentence
    from pytest_modelcompat.matrix.model import CheckEntry, Model, Producer

__all__ = ["settings_of", "workload"]


def workload(
    entry: CheckEntry,
    corpora: Sequence[tuple[str, Path]] = (),
    *,
    folder: Path,
    file: Path | None = None,
) -> Workload:
    """The cases of an entry, its bundles written.

    Args:
        entry: of the matrix.
        corpora: not used; every check is asked alike.
        folder: of the cache, for bundles; made where it is absent.
        file: the matrix, named in problems.

    Returns:
        Cases in the order of models, producers and data sets. Those of built models have names
        and data sets; their model files are made later, as `makings` says.

    Raises:
        UsageProblem: models or data that cannot be read; all of them at once.
    """
    del corpora
    folder.mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    done = _Work()
    problems = [
        Problem(message=said.message, hint=said.hint, file=file, line=model.line or None)
        for model in entry.models
        if (said := _add_model(done, model, slug(model.name, taken), folder))
    ]
    if problems:
        raise UsageProblem(problems)
    return Workload(
        check=entry.check,
        digest=done.digest(entry),
        entry=entry,
        cases=tuple(done.cases),
        bundles=tuple(path for path, _ in done.bundles),
        models=tuple(done.models.items()),
        repeats=entry.repeats,
        tolerances=entry.tolerance or None,
        makings=tuple(done.makings),
        files=done.files,
    )


@dataclass
class _Work:
    cases: list[PlannedCase] = field(default_factory=list)
    bundles: list[tuple[Path, str]] = field(default_factory=list)
    models: dict[str, Path] = field(default_factory=dict)
    makings: list[Making] = field(default_factory=list)
    digests: list[tuple[str, str]] = field(default_factory=list)
    files: dict[str, dict[str, str]] = field(default_factory=dict)  # unit -> file -> sha256

    def digest(self, entry: CheckEntry) -> str:
        """Of everything that decides what is measured."""
        whole = [
            entry.check,
            [digest for _, digest in self.bundles],
            sorted(self.digests),
            [[case.unit, case.name, case.bundle, case.index] for case in self.cases],
            entry.repeats,
            [repr(each.producer) + str(each.opset) for each in self.makings],
        ]
        return hashlib.sha256(json.dumps(whole, separators=(",", ":")).encode("ascii")).hexdigest()


@dataclass(frozen=True, kw_only=True)
class _Variant:
    """One file of a model: the model itself, or what one producer will make of it."""

    name: str  # what its cases' names start with
    files: ModelFiles
    making: Making | None = None


def settings_of(model: Model) -> list[tuple[str, int, str | None]]:
    """Every setting in which a built model is made.

    Returns:
        (label, index of the producer, opset or None); the label is the middle part of the names
        of cases: `torch==2.13.0,onnx-dynamo,opset18`. Where two producers would share one, what
        the matrix says about their environments follows.
    """
    found: list[tuple[str, int, str | None]] = []
    for at, producer in enumerate(model.producers):
        label = f"{producer.framework},{producer.export}"
        found += [(f"{label},opset{opset}", at, opset) for opset in producer.opset]
        if not producer.opset:
            found.append((label, at, None))
    shared = Counter(label for label, _, _ in found)
    return [
        (f"{label}{_told_apart(model.producers[at])}" if shared[label] > 1 else label, at, opset)
        for label, at, opset in found
    ]


def _told_apart(producer: Producer) -> str:
    parts = [f"python{producer.python}" if producer.python else "", *producer.packages]
    parts.append("" if producer.image.value == "host" else producer.image.value)
    return "".join(f",{part}" for part in parts if part)


def _variants(model: Model, place: str, bundle: int) -> Iterator[_Variant]:
    if model.path is not None:
        yield _Variant(name=model.name, files=_files(model, model.path, place))
        return
    assert model.build is not None
    for label, at, opset in settings_of(model):
        making = Making(
            label=label,
            build=model.build,
            producer=model.producers[at],
            opset=opset,
            bundle=bundle,
        )
        unknown = ModelFiles(main="", files=())
        yield _Variant(name=f"{model.name}/{label}", files=unknown, making=making)
        bundle += 1


def _files(model: Model, path: Path, place: str) -> ModelFiles:
    try:
        return model_files(path, place)
    except FileNotFoundError as problem:
        raise DataError(words.no_such_model(model.name, path.name)) from problem
    except OSError as problem:
        raise DataError(words.unreadable_model(model.name, _why(problem))) from problem


def _why(problem: OSError) -> str:
    return problem.strerror or str(problem)


def _add_model(done: _Work, model: Model, place: str, folder: Path) -> Sentence | None:
    """Plan one model; a sentence where it cannot be."""
    try:
        if model.build is not None:
            done.digests.append((place, _build_digest(model)))
        for variant in _variants(model, place, len(done.bundles)):
            _add(done, model, variant, folder)
    except DataError as problem:
        return problem.sentence
    return None


def _build_digest(model: Model) -> str:
    """Of the file that the build function is in."""
    path = Path(str(model.build).rpartition("::")[0])
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as problem:
        raise DataError(words.unreadable_model(model.name, _why(problem))) from problem


def _add(done: _Work, model: Model, variant: _Variant, folder: Path) -> None:
    cases, planned = [], []
    for set_ in data_sets(model, variant.files):
        reference = _reference(model, set_)
        cases.append(_case(model, variant, set_))
        planned.append((f"{variant.name}/{set_.name}", reference))
    path, digest = _write(folder, cases)
    files = replace(variant.files, files=(*variant.files.files, *_libraries(model, variant)))
    for name, file in files.files:
        done.models[name] = file
    try:
        told = files.digests()
        model_bytes = variant.files.size()  # without the operators' libraries
    except OSError as problem:
        raise DataError(words.unreadable_model(model.name, _why(problem))) from problem
    done.digests += told
    own = {name for name, _ in variant.files.files}
    if own:
        done.files[model.name] = {
            name.partition("/")[2]: digest for name, digest in told if name in own
        }
    making = None
    if variant.making is not None:
        making = len(done.makings)
        done.makings.append(variant.making)
    for index, (name, reference) in enumerate(planned):
        done.cases.append(
            PlannedCase(
                unit=model.name,
                name=name,
                bundle=len(done.bundles),
                index=index,
                opset=variant.files.opset,
                reference=reference,
                making=making,
                model_bytes=model_bytes,
            )
        )
    done.bundles.append((path, digest))


def _libraries(model: Model, variant: _Variant) -> tuple[tuple[str, Path], ...]:
    """(name in the cell, path) of the operators' libraries; beside the model, out of its reach."""
    place = f"{variant.files.main.partition('/')[0]}-libraries"
    return tuple(
        (f"{place}/{number}/{path.name}", path) for number, path in enumerate(model.libraries)
    )


def _case(model: Model, variant: _Variant, set_: DataSet) -> dict[str, Any]:
    files = variant.files
    if variant.making is not None:
        return _unmade(model, set_)
    found: dict[str, Any] = {
        "name": f"{variant.name}/{set_.name}",
        "unit": model.name,
        "model": {"file": files.main},
        "inputs": list(set_.inputs),
        "outputs": None if set_.outputs is None else list(set_.outputs),
        "opset": files.opset,
        "ir": files.ir,
        "imports": files.imports,
        "quantized": _quantized(files, set_),
    }
    if model.libraries:
        found["libraries"] = [name for name, _ in _libraries(model, variant)]
    if model.library_modules:
        found["library_modules"] = list(model.library_modules)
    return {**found, **facts_of(model, set_)}


def _unmade(model: Model, set_: DataSet) -> dict[str, Any]:
    """A data set for a producer; the same for every setting, so that exports can be shared."""
    return {
        "name": set_.name,
        "unit": "",
        "model": {"file": ""},
        "inputs": list(set_.inputs),
        "outputs": None if set_.outputs is None else list(set_.outputs),
        "answers": (_reference(model, set_) or {}).get("kind") == "producer",
        **facts_of(model, set_),
    }


def _quantized(files: ModelFiles, set_: DataSet) -> dict[str, float]:
    """Which outputs are quantized, and how coarsely; nothing where the model cannot be read."""
    if not files.outputs:
        return {}
    feeds = {
        files.inputs[key][0] if isinstance(key, int) and key < len(files.inputs) else key: value
        for key, value in set_.inputs
    }
    try:
        return dict(onnxdata.quantized(os.fspath(dict(files.files)[files.main]), feeds))
    except ValueError:
        return {}


def _reference(model: Model, set_: DataSet) -> dict[str, Any] | None:
    """What a case is judged against; None: it only has to run."""
    if set_.outputs is not None:
        return {"kind": "data", "source": set_.source}
    default = "producer" if model.path is None else "none"
    if model.path is not None and model.path.suffix == ".onnx":
        default = "onnx"
    kind, _, source = (model.reference or default).partition(":")
    if kind == "none":
        return None
    return {"kind": kind, "source": source} if source else {"kind": kind}


def _write(folder: Path, cases: list[dict[str, Any]]) -> tuple[Path, str]:
    """One bundle, named by its content."""
    draft = folder / f".{uuid.uuid4().hex}"
    digest = bundles.write(draft, {"check": "parity"}, cases)
    path = folder / f"{digest}.bundle"
    draft.replace(path)
    return path, digest
