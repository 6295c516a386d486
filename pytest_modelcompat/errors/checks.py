"""What is said about a check that cannot be planned: patterns, models, data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modelcompat.errors import suggest
from pytest_modelcompat.errors.matrix import Sentence, listed, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "bad_array",
    "bad_data_set",
    "bad_labels",
    "bad_npz",
    "exact_type_needs_folder",
    "no_arrays",
    "no_data_sets",
    "no_such_input",
    "no_such_model",
    "no_such_tensor",
    "nothing_matches",
    "object_array",
    "outputs_without_inputs",
    "unreadable_model",
]

_NAMED = 8  # inputs of a model in one sentence


def nothing_matches(pattern: str, corpora: Iterable[str], known: Iterable[str]) -> Sentence:
    """A pattern of `match` selects no case."""
    where = listed(corpora) or "the corpus"
    return Sentence(
        f"{shown(pattern)} matches no case of {where}.",
        suggest(pattern, known)
        or "Write an operator of ai.onnx, `domain::Name`, or a pattern that starts with `test_`.",
    )


def no_such_model(name: str, path: str) -> Sentence:
    """A model's file is not there, or not a file."""
    return Sentence(
        f"The model {shown(name)} has no file at {shown(path)}.",
        "Paths are relative to the matrix file.",
    )


def unreadable_model(name: str, reason: str) -> Sentence:
    """A model's file cannot be read."""
    return Sentence(f"The model {shown(name)} cannot be read: {reason}.")


def bad_labels(path: str, arrays: int) -> Sentence:
    """Labels that are no list of whole numbers."""
    return Sentence(
        f"{shown(path)} holds {arrays} arrays that are not the right class of each row."
        if arrays != 1
        else f"The array of {shown(path)} does not hold whole numbers.",
        "Labels are one array of integers: `numpy.savez(FILE, labels=y)`.",
    )


def bad_npz(path: str, reason: str) -> Sentence:
    """A file that is no .npz, or a damaged one."""
    return Sentence(
        f"{shown(path)} is not an .npz file that can be read: {reason}.",
        "Write it with numpy.savez.",
    )


def object_array(path: str, key: str) -> Sentence:
    """Pickled objects are never read."""
    return Sentence(
        f"The array {shown(key)} in {shown(path)} holds Python objects, which are never unpickled.",
        "Save numbers or fixed-width strings; other values come in the folder layout.",
    )


def bad_array(path: str, key: str, reason: str) -> Sentence:
    """One array of a file cannot be read."""
    return Sentence(f"The array {shown(key)} in {shown(path)} cannot be read: {reason}.")


def exact_type_needs_folder(path: str, key: str, dtype: str) -> Sentence:
    """A type that an .npz cannot say."""
    return Sentence(
        f"The array {shown(key)} in {shown(path)} has type {shown(dtype)}, which no tensor has.",
        "bfloat16, float8, int4 and sequences come as test_data_set_N/input_K.pb.",
    )


def no_such_input(path: str, key: str, model: str, known: Iterable[str]) -> Sentence:
    """An array that the model does not take."""
    return Sentence(
        f"The array {shown(key)} in {shown(path)} is no input of the model {shown(model)}.",
        suggest(key, known) or "Keys are the model's input names, or positions.",
    )


def no_arrays(path: str, model: str, needed: Iterable[str]) -> Sentence:
    """An .npz of inputs with nothing in it; `needed` is empty where nobody knows the inputs."""
    names = [shown(each) for each in needed]
    if names:
        first = ", ".join(names[:_NAMED]) + (", …" if names[_NAMED:] else "")
        return Sentence(
            f"{shown(path)} holds no array, and the model {shown(model)} has inputs: {first}.",
            "Save them under these names with numpy.savez.",
        )
    return Sentence(
        f"{shown(path)} holds no array for the model {shown(model)}.",
        "Save its inputs with numpy.savez. If it has none, what it should answer comes in the "
        "folder layout: test_data_set_0/output_0.pb.",
    )


def no_such_tensor(name: str, model: str, known: Iterable[str]) -> Sentence:
    """A name in `batch` or `sequence` that the model does not have there."""
    return Sentence(
        f"The model {shown(model)} has no such tensor there: {shown(name)}.",
        suggest(name, known) or "These are the names of the model's inputs and outputs.",
    )


def outputs_without_inputs(name: str) -> Sentence:
    """Outputs for inputs that nobody gave."""
    return Sentence(
        f"The data of {shown(name)} have outputs and no inputs.", "Name the inputs' file too."
    )


def no_data_sets(path: str) -> Sentence:
    """A folder in which no data set lies."""
    return Sentence(
        f"There is no data set in {shown(path)}.",
        "A data set is a folder test_data_set_0 with input_0.pb, input_1.pb, …",
    )


def bad_data_set(path: str, reason: str) -> Sentence:
    """A file of a data set cannot be read."""
    return Sentence(f"{shown(path)} cannot be read as a value: {reason}.")
