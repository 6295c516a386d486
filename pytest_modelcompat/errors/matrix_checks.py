"""What is said about the checks of a matrix and about known issues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modelcompat.errors import suggest
from pytest_modelcompat.errors.yaml_file import Sentence, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

# Checks -------------------------------------------------------------------------------------------


def bad_corpus(text: str) -> Sentence:
    """A corpus is a release of onnx."""
    return Sentence(
        f"{shown(text)} is not a corpus.", "Write a release of onnx, such as `onnx==1.18.0`."
    )


def path_and_build() -> Sentence:
    """A model is one of the two."""
    return Sentence("A model has `path` or `build`, not both.", "Remove one.")


def build_and_producers(missing: str) -> Sentence:
    """The two come together."""
    return Sentence(
        f"`build` and `producers` come together; {missing!r} is missing.",
        "For example `build: model.py::build` with "
        "`producers: [{framework: torch==2.13.0, export: onnx-dynamo}]`.",
    )


def unset_variable(name: str) -> Sentence:
    """A path by an environment variable."""
    return Sentence(
        f"The environment variable {shown(name)} is not set.", "Set it, or write the path itself."
    )


def pattern_finds_nothing(text: str) -> Sentence:
    """A pattern without a file."""
    return Sentence(
        f"No file matches {shown(text)}.", "Paths are relative to the file that names them."
    )


def pattern_finds_too_much(text: str, count: int, most: int) -> Sentence:
    """A pattern that means a whole disk."""
    return Sentence(
        f"{count} files match {shown(text)}; a pattern may find {most}.", "Make it narrower."
    )


def folder_as_model(path: str, ending: str) -> Sentence:
    """A folder under the name of a format that is one file."""
    return Sentence(
        f"{shown(path)} is a folder; a model that ends in {ending} is a file.",
        "Name the file in it, or rename the folder if its format is one of folders.",
    )


def mlmodel_unreadable(folder: str, why: str) -> Sentence:
    """A model folder of MLflow's whose description cannot be read."""
    return Sentence(f"MLmodel in {shown(folder)} cannot be read: {why}", "Name the model's file.")


def mlmodel_without_file(folder: str, name: str) -> Sentence:
    """A description that names what is not there."""
    return Sentence(
        f"MLmodel in {shown(folder)} names {shown(name)}, which is no file in that folder.",
        "Save the model again, or name the model's file.",
    )


def mlmodel_without_flavor(folder: str, found: list[str], known: list[str]) -> Sentence:
    """A model of another framework."""
    told = ", ".join(map(shown, found)) or "none"
    return Sentence(
        f"MLmodel in {shown(folder)} has no flavor whose file is read from it; it has {told}.",
        f"Known are {', '.join(known)}; of others name the file, or folder, of the model itself.",
    )


def library_is_no_file() -> Sentence:
    """A folder in place of a library."""
    return Sentence("A library of operators is a file.", "Name the .so file.")


def bad_library_module(name: str) -> Sentence:
    """No name that Python could import."""
    return Sentence(
        f"{shown(name)} is no name of a module.", "Write `module:onnxruntime_extensions`."
    )


def libraries_without_path() -> Sentence:
    """A producer's file has no libraries."""
    return Sentence("`libraries` belong to `path`.", "Remove them.")


def bad_build(text: str) -> Sentence:
    """Not FILE.py::function."""
    return Sentence(f"{shown(text)} is not a function in a file.", "Write `models/net.py::build`.")


def two_sources(one: str, other: str) -> Sentence:
    """Data come from one place."""
    return Sentence(f"Data has `{one}` or `{other}`, not both.", "Remove one.")


def outputs_without_inputs() -> Sentence:
    """Outputs of what?"""
    return Sentence("`outputs` belong to `inputs`.", "Name the inputs' .npz file, too.")


def labels_without_inputs() -> Sentence:
    """Labels of what?"""
    return Sentence("`labels` belong to `inputs`.", "Name the inputs' .npz file, too.")


def unknown_original(name: str, known: Iterable[str]) -> Sentence:
    """A variant of a model that is not there."""
    return Sentence(
        f"No other model of this list is called {shown(name)}.",
        suggest(name, known) or "A variant and its original stand in the same list of `models`.",
    )


def variant_of_itself() -> Sentence:
    """Its own original."""
    return Sentence(
        "A model is no variant of itself.", "Name the model that it was made from, or remove it."
    )


def variant_of_variant(name: str, original: str) -> Sentence:
    """A chain, or a cycle."""
    return Sentence(
        f"{shown(name)} is a variant itself, of {shown(original)}.",
        "All variants name the same original, one that is none.",
    )


def two_originals(name: str, line: int) -> Sentence:
    """One name, two meanings, in entries for different cells."""
    return Sentence(
        f"The model {shown(name)} is another variant than in line {line}.",
        "Say the same in both entries, or give one of them another name.",
    )


def accuracy_without_labels(name: str) -> Sentence:
    """A limit that could never be held."""
    return Sentence(
        f"`accuracy_loss` needs the right labels, and the data of {shown(name)} have none.",
        "Add `labels: FILE.npz` to `data`, beside the inputs.",
    )


def random_only(key: str) -> Sentence:
    """Seed or dims with stored inputs."""
    return Sentence(f"{key!r} belongs to `random`.", "Remove it, or add `random: 1`.")


def not_npz(path: str) -> Sentence:
    """A file of another kind."""
    return Sentence(
        f"{shown(path)} is not an .npz file.",
        "Save the arrays with numpy.savez, or use the folder layout test_data_set_N.",
    )


def no_data_sets(path: str) -> Sentence:
    """A folder of another layout."""
    return Sentence(
        f"The folder {shown(path)} holds no test_data_set_N.",
        "Put input_K.pb and output_K.pb into test_data_set_0, test_data_set_1, ….",
    )


def bad_reference(text: str, known: Iterable[str]) -> Sentence:
    """A word that names no reference."""
    return Sentence(f"The reference cannot be {shown(text)}.", suggest(text, known))


def producer_reference_without_build() -> Sentence:
    """A file has no producer."""
    return Sentence(
        "`reference: producer` needs a model that is built.",
        "Use onnx, consensus, none or cell:ID for a file.",
    )


def reference_and_outputs() -> Sentence:
    """The outputs are the reference."""
    return Sentence("The data's outputs are the reference already.", "Remove one of the two.")


def unknown_cell(text: str, known: Iterable[str]) -> Sentence:
    """`reference: cell:ID` of no cell."""
    near = suggest(text, known)
    return Sentence(
        f"There is no cell {shown(text)} in this matrix.",
        near if near.startswith("Did") else "`--compat-plan` prints the cells' ids.",
    )


def duplicate_model(name: str, check: str, line: int) -> Sentence:
    """Two models of one name in the same cell."""
    return Sentence(
        f"The model {shown(name)} of {check} is in the same cell twice, first in line {line}.",
        "Rename one, or give them a `when` of their own.",
    )


def empty_tolerance(dtype: str) -> Sentence:
    """Neither rtol/atol nor ulp nor quanta."""
    return Sentence(f"The tolerance of {dtype} is empty.", "Give rtol and atol, or ulp, or quanta.")


def mixed_tolerance(dtype: str) -> Sentence:
    """More than one form."""
    return Sentence(
        f"The tolerance of {dtype} mixes forms.", "Give rtol and atol, or ulp, or quanta."
    )


def ulp_of_integers(dtype: str) -> Sentence:
    """Units in the last place exist in floating point only."""
    return Sentence(f"{dtype} has no ulp.", "Use atol, or quanta for quantized outputs.")


# Known issues -------------------------------------------------------------------------------------


def not_known_issues() -> Sentence:
    """A mapping where the list was wanted."""
    return Sentence(
        "A known-issues file is a list of entries.", "Begin each with `- id: some-name`."
    )


def nested_known_issues() -> Sentence:
    """A known-issues file that wants to include others, or a matrix."""
    return Sentence(
        "A known-issues file is a list of entries and includes no other file.",
        "Name every file under `known_issues:` of the matrix.",
    )


def known_issues_of_itself() -> Sentence:
    """The matrix as its own known-issues file."""
    return Sentence("This names the matrix itself.", "Known issues stand in a file of their own.")


def blanket_issue() -> Sentence:
    """An entry that would excuse everything."""
    return Sentence(
        "This known issue would excuse every failure.",
        "Say what it is about: match, check, unit, case, stage, status or message.",
    )


def expects_success(status: str) -> Sentence:
    """A known issue of something that works."""
    return Sentence(
        f"{status!r} is not a failure.", "A known issue names the failure that is expected."
    )
