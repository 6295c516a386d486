"""What a build function gives, made plain; and what an exporter leaves behind.

A build function returns (model, inputs), (model, inputs, accuracy), or a mapping:

    model      the framework's object
    inputs     one data set, or a list of them, or a function of the data set's number. A data set
               is a mapping name -> array in the order of the model's arguments, or one array
    accuracy   optional: a function (outputs, number of the data set) -> float
    outputs    optional: names for the model's outputs
    dynamic    optional: {input's name: {axis: name of the dimension}}
    labels     optional: the right class of each row of the first data set; or a list of such, or a
               function of the data set's number, as `inputs` is one

Arrays may be numpy's, or anything that numpy can read: tensors, lists of numbers.
"""

from __future__ import annotations

from importlib import util

__all__ = ["Built", "File", "as_array", "load_build", "loaded"]

_KEYS = ("model", "inputs", "accuracy", "outputs", "dynamic", "labels")
_SHAPES = "(model, inputs), (model, inputs, accuracy) or a mapping with these names"


class Built:
    """A built model.

    Attributes:
        model: the framework's object.
        accuracy: a function of outputs and the data set's number, or None.
        outputs: names, or None.
        dynamic: {input: {axis: dimension}}.
    """

    def __init__(self, given):
        found = _fields(given)
        self.model = found["model"]
        self.accuracy = found.get("accuracy")
        self.outputs = None if found.get("outputs") is None else list(found["outputs"])
        self.dynamic = {key: dict(axes) for key, axes in (found.get("dynamic") or {}).items()}
        self._inputs = found["inputs"]
        self._labels = found.get("labels")

    def data_set(self, number):
        """Data set `number` as {name: array}; None where the build function has no more."""
        given = self._inputs
        if callable(given):
            return _named(given(number))
        if isinstance(given, (list, tuple)) and given and isinstance(given[0], dict):
            return _named(given[number]) if number < len(given) else None
        return _named(given) if number == 0 else None

    def labels(self, number):
        """The right classes of data set `number`, as numbers; None where nobody said."""
        given, inputs = self._labels, self._inputs
        if callable(given):
            given = given(number)
        elif isinstance(inputs, (list, tuple)) and inputs and isinstance(inputs[0], dict):
            given = given[number] if given is not None and number < len(given) else None
        elif number:
            given = None
        return None if given is None else [int(each) for each in as_array(given).reshape(-1)]


class File:
    """The files of an exported model.

    Args:
        main: name of what is loaded, in the folder that was written to.
        inputs: the file's names for the model's inputs, in the build function's order; None where
            the file knows only their order.
        outputs: likewise.
        types: dtypes of the outputs, where the file declares them; None: as the framework answers.
        facts: what is known about the file: opset, imports, ir, quantized (a function of feeds).
    """

    def __init__(self, main, inputs=None, outputs=None, types=None, facts=None):
        self.main = main
        self.inputs = inputs
        self.outputs = outputs
        self.types = types
        self.facts = facts or {}


def load_build(path, function):
    """The build function of a file.

    Raises:
        AttributeError: the file has none of that name. Whatever it raises goes through.
    """
    return getattr(loaded(path, "modelcompat_build"), function)


def loaded(path, name):
    """A file as a module of that name; whatever it raises goes through."""
    import sys

    spec = util.spec_from_file_location(name, path)
    module = util.module_from_spec(spec)
    sys.modules[name] = module  # classes of the file are pickled and scripted by their module
    spec.loader.exec_module(module)
    return module


def as_array(value):
    """Whatever a framework calls a tensor, as a numpy array."""
    import numpy

    for step in ("detach", "cpu"):
        if hasattr(value, step):
            value = getattr(value, step)()
    if hasattr(value, "numpy") and not isinstance(value, numpy.ndarray):
        value = value.numpy()
    return numpy.asarray(value)


def _fields(given):
    if isinstance(given, dict):
        odd = [str(key) for key in given if key not in _KEYS]
        if odd or not {"model", "inputs"} <= set(given):
            raise TypeError(
                "a build function returns {}; this one returned a mapping with {}".format(
                    _SHAPES, ", ".join(sorted(map(str, given))) or "nothing"
                )
            )
        return given
    if isinstance(given, tuple) and 2 <= len(given) <= 3:  # noqa: PLR2004 - as the text says
        return dict(zip(_KEYS, given))
    raise TypeError(
        "a build function returns {}; this one returned {}".format(_SHAPES, type(given).__name__)
    )


def _named(given):
    if isinstance(given, dict):
        return {str(name): as_array(value) for name, value in given.items()}
    if isinstance(given, (list, tuple)) and given and hasattr(given[0], "shape"):
        return {"input_{}".format(at): as_array(value) for at, value in enumerate(given)}
    return {"input": as_array(given)}
