"""The data sets of a model: which there are, and in how many calls the model gets them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.checks.datasets import DataError, DataSet, read_folder, read_npz
from pytest_modelcompat.errors import checks as words
from pytest_modelcompat.paths import text_of
from pytest_modelcompat.results.accuracy import labels_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_modelcompat.checks.model_files import ModelFiles
    from pytest_modelcompat.matrix.model import Model
    from pytest_modelcompat.worker.values import Value

__all__ = ["data_sets", "facts_of"]


def data_sets(model: Model, files: ModelFiles) -> list[DataSet]:
    """The data sets of a model: each whole, then in each way of calling that is asked for.

    Raises:
        DataError: data that cannot be read, or that are not this model's.
    """
    _known_tensors(model, files)
    return [
        replace(set_, name=f"{set_.name},{calls.name}" if calls else set_.name, calls=calls)
        for set_ in _given(model, files)
        for calls in (None, *model.data.calls)
    ]


def _known_tensors(model: Model, files: ModelFiles) -> None:
    """Refuse names in the ways of calling that are none of the model's, where these are known."""
    inputs = [name for name, _ in files.inputs] + list(files.optional)
    outputs = [name for name, _ in files.outputs]
    for calls in model.data.calls if inputs and outputs else ():
        for name, _ in calls.axes:
            if name not in {*inputs, *outputs}:
                raise DataError(words.no_such_tensor(name, model.name, inputs + outputs))
        for state, output in calls.state:
            if state not in inputs:
                raise DataError(words.no_such_tensor(state, model.name, inputs))
            if output not in outputs:
                raise DataError(words.no_such_tensor(output, model.name, outputs))


def _given(model: Model, files: ModelFiles) -> list[DataSet]:
    data = model.data
    if data.folder is not None:
        return read_folder(data.folder, files.inputs, files.outputs)
    if data.inputs is not None:
        names = [name for name, _ in files.inputs]
        inputs = read_npz(data.inputs, names)
        if not inputs:
            _without_inputs(data.inputs.name, model, files)
        if model.path is not None:  # what a producer calls its inputs is only known by then
            _known(data.inputs.name, inputs, model, files)
        outputs = None
        if data.outputs is not None:
            outputs = read_npz(data.outputs, [name for name, _ in files.outputs])
        return [
            DataSet(
                name=text_of(data.inputs.stem),
                inputs=inputs,
                outputs=outputs,
                source=text_of(data.outputs.name) if data.outputs is not None else "",
                labels=_labels(data.labels) if data.labels is not None else (),
            )
        ]
    if data.outputs is not None:
        raise DataError(words.outputs_without_inputs(model.name))
    return [DataSet(name=f"random-{n}", inputs=(), random=n) for n in range(data.random)]


def _labels(path: Path) -> tuple[int, ...]:
    """The only array of a file, whole numbers one after the other."""
    arrays = read_npz(path)
    found = [labels_in(value) for _, value in arrays]
    if len(found) != 1 or found[0] is None:
        raise DataError(words.bad_labels(path.name, len(arrays)))
    return found[0]


def _known(
    file: str, inputs: Sequence[tuple[str | int, Value]], model: Model, files: ModelFiles
) -> None:
    """Refuse arrays that are no input: a misspelt optional one would be left out without a word."""
    known = [name for name, _ in files.inputs] + list(files.optional)
    for key, _ in inputs:
        if known and isinstance(key, str) and key not in known:
            raise DataError(words.no_such_input(file, key, model.name, known))


def _without_inputs(file: str, model: Model, files: ModelFiles) -> None:
    """Refuse an .npz without an array, unless the model is known to need none."""
    needed = [name for name, kind in files.inputs if not kind.startswith("optional(")]
    if needed or not files.known:
        raise DataError(words.no_arrays(file, model.name, needed))


def facts_of(model: Model, set_: DataSet) -> dict[str, Any]:
    """What a bundle's case says of how the data set is made and given to the model."""
    data, calls = model.data, set_.calls
    found: dict[str, Any] = {}
    if set_.labels:
        found["labels"] = list(set_.labels)
    if set_.random is not None:
        found["random"] = {"seed": data.seed, "dims": dict(data.dims), "n": set_.random}
    if calls is not None:
        found["calls"] = {
            "kind": calls.kind,
            "size": calls.size,
            "axis": calls.axis,
            "axes": dict(calls.axes),
            "state": dict(calls.state),
        }
    return found
