"""What is said about a matrix, a known-issues file or a selection that cannot be used.

One function per mistake. Each returns what happened and what to do; the place is added by whoever
found it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_modelcompat.errors import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SHOWN = 60  # characters of a user's word that are repeated in a sentence


class Sentence(NamedTuple):
    """What happened, and what to do about it."""

    message: str
    hint: str = ""


def shown(text: str) -> str:
    """A user's word in quotes, shortened, with everything unprintable escaped."""
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")


def listed(words: Iterable[str]) -> str:
    """Words as `a, b or c`."""
    *most, last = tuple(words)
    return f"{', '.join(most)} or {last}" if most else last


# The file itself ---------------------------------------------------------------------------------


def no_such_file(what: str, path: str) -> Sentence:
    """A named file is not there."""
    return Sentence(
        f"There is no {what} at {shown(path)}.",
        "Paths are relative to the file that names them.",
    )


def unreadable(reason: str) -> Sentence:
    """The operating system refuses."""
    return Sentence(f"This file cannot be read: {reason}.")


def not_a_file() -> Sentence:
    """A FIFO, a device, a socket."""
    return Sentence("This is not a regular file.", "Name a file that can be read twice.")


def is_a_folder() -> Sentence:
    """A folder where a file was wanted."""
    return Sentence("This is a folder, not a file.", "Name a file in it.")


def too_large(size: int, limit: int) -> Sentence:
    """More bytes than a person writes."""
    return Sentence(
        f"This file has {size:,} bytes; a matrix has at most {limit:,}.",
        "Is it a data file? Otherwise split the matrix into several files.",
    )


def wrong_encoding(name: str) -> Sentence:
    """UTF-16 and UTF-32, told by their byte order mark or zero bytes."""
    return Sentence(f"This file is {name}, not UTF-8.", "Save it as UTF-8.")


def not_utf8(offset: int) -> Sentence:
    """Bytes that no UTF-8 text holds."""
    return Sentence(f"This file is not UTF-8: byte {offset} is invalid.", "Save it as UTF-8.")


def binary() -> Sentence:
    """A NUL byte."""
    return Sentence("This file is binary: it holds a NUL byte.", "Name a YAML file.")


def control_character(code: int) -> Sentence:
    """A character that YAML does not allow."""
    return Sentence(
        f"The character U+{code:04X} cannot stand in YAML.",
        'Remove it, or write it as an escape in double quotes, as in "\\x07".',
    )


def empty_file(what: str) -> Sentence:
    """Nothing, or comments only."""
    return Sentence(f"This {what} is empty.", "`modelcompat init` writes one to start from.")


def not_yaml(problem: str) -> Sentence:
    """The YAML parser's own words."""
    return Sentence(
        f"This is not YAML: {problem}.",
        "The mistake is here or in the line before: a bracket, a quote, a colon or the indent.",
    )


def unquoted_star() -> Sentence:
    """`*` followed by what cannot be an alias: a shell pattern without quotes."""
    return Sentence(
        "An unquoted asterisk begins an alias in YAML.",
        'Is a pattern meant? Then quote it: "*_relu".',
    )


def tab_indent() -> Sentence:
    """YAML is indented by spaces."""
    return Sentence("A tab stands in the indent.", "YAML is indented with spaces only.")


def too_deep(limit: int) -> Sentence:
    """More nesting than any matrix has."""
    return Sentence(f"This is nested more than {limit} levels deep.", "A matrix needs six.")


def several_documents() -> Sentence:
    """A second `---`."""
    return Sentence("A second YAML document begins here.", "Write one matrix per file.")


def anchor(name: str) -> Sentence:
    """`&name`."""
    return Sentence(
        f"Anchors are not used here: &{name[:SHOWN]}.",
        "Write the value out where it is needed.",
    )


def alias(name: str) -> Sentence:
    """`*name`; also an unquoted shell pattern that begins with an asterisk."""
    return Sentence(
        f"Aliases are not used here: *{name[:SHOWN]}.",
        f'Is a pattern meant? Then quote it: "*{name[:SHOWN]}".',
    )


def tag(name: str) -> Sentence:
    """`!tag`."""
    return Sentence(
        f"Tags are not used here: {shown(name)}.",
        "Every value is text already; quote it if it begins with an exclamation mark.",
    )


def merge_key() -> Sentence:
    """`<<:`."""
    return Sentence("Merge keys (<<) are not used here.", "Write the keys out.")


def duplicate_key(key: str, line: int) -> Sentence:
    """The same key twice in one mapping."""
    return Sentence(
        f"The key {shown(key)} stands here twice, first in line {line}.",
        "Keep one of them; the other would be lost.",
    )


def complex_key() -> Sentence:
    """A list or mapping as a key."""
    return Sentence("A key is a word, not a list or a mapping.", "Quote it if text is meant.")


def surrogate() -> Sentence:
    """Half a character, by an escape."""
    return Sentence("A lone surrogate is not a character.", "Remove the \\uD800 escape.")


def too_many(limit: int) -> Sentence:
    """Where to stop counting."""
    return Sentence(f"There are more than {limit} problems; the first {limit} are shown.")


# Shape -------------------------------------------------------------------------------------------


def unknown_key(key: str, what: str, known: Iterable[str]) -> Sentence:
    """A key that means nothing there."""
    return Sentence(f"{what} has no key {shown(key)}.", suggest(key, known))


def missing_key(key: str, what: str, example: str) -> Sentence:
    """A key that cannot be left out."""
    return Sentence(f"{what} needs {key!r}.", f"Write for example `{example}`.")


def wants(what: str, wanted: str, got: str, example: str) -> Sentence:
    """The wrong kind of value."""
    hint = f"Write for example `{example}`." if example else "Quote it if it is meant as text."
    return Sentence(f"{what} is {wanted}, not {got}.", hint)


def no_value(what: str) -> Sentence:
    """`key:` with nothing after it."""
    return Sentence(
        f"{what} has no value.",
        'Give it one, or remove the key; quote it if the word "null" is meant.',
    )


def no_values(what: str) -> Sentence:
    """An empty list where each entry makes cells."""
    return Sentence(f"{what} has no values.", "Give it at least one, or remove it.")


def empty_text(what: str) -> Sentence:
    """An empty string where a word is needed."""
    return Sentence(f"{what} is empty.", "Write a word, or remove it.")


def not_a_number(what: str, text: str, wanted: str) -> Sentence:
    """Text where a number was wanted, or a number out of bounds."""
    return Sentence(f"{what} is {wanted}, not {shown(text)}.")


def one_of(what: str, text: str, known: Sequence[str]) -> Sentence:
    """A word outside of a fixed list."""
    return Sentence(f"{what} cannot be {shown(text)}.", suggest(text, known))


def newer_schema(text: str, known: int) -> Sentence:
    """Written for another version of this tool."""
    return Sentence(
        f"This matrix has schema {shown(text)}; this version reads schema {known}.",
        f"Write `schema: {known}`, or install a newer pytest-modelcompat.",
    )


def duplicate(what: str, text: str, line: int) -> Sentence:
    """The same thing twice in a list."""
    return Sentence(f"{what} {shown(text)} stands here twice, first in line {line}.", "Keep one.")


def same_version(text: str, other: str, line: int) -> Sentence:
    """Two spellings of one version."""
    return Sentence(
        f"The version {shown(text)} is the same as {shown(other)} in line {line}.", "Keep one."
    )


def is_a_list() -> Sentence:
    """A known-issues file named as a matrix."""
    return Sentence(
        "A matrix is a mapping, and this file is a list.",
        "A known-issues file is named under `known_issues:` of a matrix.",
    )


# Grammars ----------------------------------------------------------------------------------------


def bad_distribution(text: str) -> Sentence:
    """Not a PEP 508 name."""
    return Sentence(
        f"{shown(text)} is not the name of a package.",
        "A name has letters, digits and . _ - only, and begins and ends with a letter or digit.",
    )


def bad_version(text: str) -> Sentence:
    """Not a PEP 440 version."""
    return Sentence(
        f"{shown(text)} is not a version.",
        "Write one full version such as 1.20.1; ranges belong into `packages` or a matcher.",
    )


def bad_python(text: str) -> Sentence:
    """Neither a version, nor a path, nor `image`."""
    return Sentence(
        f"{shown(text)} is not a Python.",
        'Write a version such as "3.12" or "3.12.1", the path of an interpreter, or `image`.',
    )


def bad_pin(text: str) -> Sentence:
    """Not `name==version`."""
    return Sentence(
        f"{shown(text)} is not one version of one package.",
        "Write `name==version`, for example `onnxruntime==1.31.1`.",
    )


def bad_requirement(text: str, reason: str) -> Sentence:
    """Not a name with specifiers."""
    return Sentence(
        f"{shown(text)} is not a requirement: {reason}.",
        "Write a name with specifiers, such as `numpy<2`.",
    )


def option_as_requirement(text: str) -> Sentence:
    """`--index-url ...` smuggled into a list of packages."""
    return Sentence(
        f"{shown(text)} is an option, not a requirement.",
        "Indexes and options come from uv's own configuration and environment.",
    )


def located_requirement(text: str, kind: str) -> Sentence:
    """A URL, a path, a VCS reference."""
    return Sentence(
        f"{shown(text)} is {kind}; requirements are names with specifiers.",
        "Put the wheel into a folder and name that folder in UV_FIND_LINKS.",
    )


def bad_image(text: str) -> Sentence:
    """Not an image reference."""
    return Sentence(
        f"{shown(text)} is not the name of an image.",
        "Write `host`, or a reference such as debian:bookworm or ghcr.io/name/image:tag.",
    )


def bad_template(text: str) -> Sentence:
    """Braces that mean nothing."""
    return Sentence(
        f"{shown(text)} holds braces that mean nothing here.", "Only {python} is filled in."
    )


def option_like(what: str, text: str) -> Sentence:
    """A leading dash where a program would read an option."""
    return Sentence(f"{what} {shown(text)} would be read as an option.", "Remove the leading dash.")


def bad_word(what: str, text: str, allowed: str) -> Sentence:
    """A name outside of its grammar."""
    return Sentence(f"{what} cannot be {shown(text)}.", f"Use {allowed}.")


def bad_text(what: str, code: int) -> Sentence:
    """A control character in a value."""
    return Sentence(f"{what} holds the control character U+{code:04X}.", "Remove it.")


def bad_limit(what: str, text: str, units: Sequence[str], example: str) -> Sentence:
    """Not an integer with a unit."""
    return Sentence(
        f"{what} cannot be {shown(text)}.",
        f"Write an integer from 1 on with {listed(units)}, for example `{example}`.",
    )


def limit_out_of_range(what: str, text: str, most: str) -> Sentence:
    """More than any machine has."""
    return Sentence(f"{what} cannot be {shown(text)}.", f"It is at most {most}.")


def bad_date(what: str, text: str) -> Sentence:
    """Not YYYY-MM-DD, or no such day."""
    return Sentence(f"{what} {shown(text)} is not a date.", "Write YYYY-MM-DD, as in 2026-11-01.")


def bad_regex(what: str, text: str, reason: str) -> Sentence:
    """The regular expression does not compile."""
    return Sentence(
        f"{what} {shown(text)} is not a regular expression: {reason}.",
        "Put a backslash before characters that are meant as they are.",
    )


def bad_link(text: str) -> Sentence:
    """An issue that is neither an https address nor a plain reference."""
    return Sentence(
        f"The issue {shown(text)} is not an address that can be linked.",
        "Write an https address, or a reference such as ABC-123.",
    )


# Axes --------------------------------------------------------------------------------------------


def unknown_axis(name: str, known: Iterable[str]) -> Sentence:
    """A matcher, include or selection names an axis that the matrix does not declare."""
    known = tuple(known)
    group = [axis for axis in known if axis.startswith(name + ".")]
    if group:
        hint = f"Each key is an axis of its own: write {listed(map(repr, group[:4]))}."
    else:
        hint = suggest(name, known)
    return Sentence(f"This matrix has no axis {shown(name)}.", hint)


def unknown_framework(name: str, known: Iterable[str]) -> Sentence:
    """A distribution without an adapter."""
    near = suggest(name, known)
    own = 'ame its adapter: `{value: "1.0", runtime: backend, module: package.module}`.'
    return Sentence(
        f"No adapter is known for the distribution {shown(name)}.",
        f"{near} Or n{own}" if near.startswith("Did") else f"N{own}",
    )


def module_without_backend() -> Sentence:
    """`module` with another runtime."""
    return Sentence("`module` belongs to `runtime: backend`.", "Remove it, or write both.")


def backend_without_module() -> Sentence:
    """`runtime: backend` alone."""
    return Sentence(
        "`runtime: backend` needs the module of an onnx.backend.base.Backend.",
        "Write for example `{value: ..., runtime: backend, module: package.module}`.",
    )


def unlisted_distribution(name: str, known: Iterable[str]) -> Sentence:
    """Providers for a framework that the matrix does not have."""
    return Sentence(
        f"There are providers for {shown(name)}, which is not a framework of this matrix.",
        suggest(name, known),
    )


def unknown_provider(name: str, owner: str | None, known: Iterable[str]) -> Sentence:
    """A provider that the framework's adapter does not know."""
    missing = f"{owner} has no" if owner else "No framework of this matrix has the"
    return Sentence(
        f"{missing} provider {shown(name)}.",
        suggest(name, known)
        or "A plug-in's own provider is given under its distribution, as `{value: NAME}`.",
    )


def installed_on_host(text: str) -> Sentence:
    """`installed` in an environment that is made for the cell."""
    return Sentence(
        f"{text} takes what an environment of your own has, and `host` makes a new one.",
        "Name an image of kind nox, tox, python, ssh or docker, or exclude this combination.",
    )


def image_python_on_host() -> Sentence:
    """Python `image` without an image."""
    return Sentence(
        "Python `image` means the image's own, and `host` is no image.",
        "Name a version, or exclude this combination: `{python: image, image: host}`.",
    )


def template_without_version(template: str, python: str) -> Sentence:
    """`{python}` in an image's name, but the Python is a path or `image`."""
    return Sentence(
        f"{shown(template)} needs a version of Python, not {shown(python)}.",
        "Name a version, or exclude this combination.",
    )


def too_many_cells(count: int, limit: int, variable: str) -> Sentence:
    """The cross product is out of hand."""
    hint = f"Split the matrix, or set {variable}={count} if that is meant."
    return Sentence(
        f"These axes make {count:,} cells; the limit is {limit:,}.",
        hint if count < 100 * limit else "Is each of these values needed with each other?",
    )


def too_many_rules(rules: int, cells: int) -> Sentence:
    """Each cell is held against each rule, and that would take minutes."""
    return Sentence(
        f"{rules:,} rules for {cells:,} cells are too many.",
        "Say the same with fewer: a pattern matches many values.",
    )


def bad_cell_limit(variable: str, text: str) -> Sentence:
    """The environment variable that raises the limit does not hold a number."""
    return Sentence(f"{variable} is a number of cells, not {shown(text)}.")


def no_cells() -> Sentence:
    """Rules that take everything out, or no axes at all."""
    return Sentence(
        "No cell is left in this matrix.",
        "Give axes.framework at least one version that no exclude takes out.",
    )


# Rules -------------------------------------------------------------------------------------------


def empty_matcher(what: str) -> Sentence:
    """A rule that would match every cell."""
    return Sentence(f"{what} names no axis, so it would hold for every cell.", "Name one.")


def adjust_sets_axis(name: str) -> Sentence:
    """Adjust (or a long value) cannot change an axis."""
    return Sentence(
        f"{name!r} is an axis, and only the axes set it.",
        "Take the combination out by `exclude` and put another one in by `include`.",
    )


def adjust_does_nothing() -> Sentence:
    """Only a match."""
    return Sentence("This rule changes nothing.", "Give it packages, env, options, limits or skip.")


def duplicate_include(cell: str) -> Sentence:
    """The cell is there already."""
    return Sentence(
        f"This cell is in the matrix already: {cell}.", "Remove the entry, or exclude the other."
    )


def bad_selection(token: str) -> Sentence:
    """`--compat-select` with a word that is not axis:pattern."""
    return Sentence(
        f"--compat-select is made of axis:pattern, not {shown(token)}.",
        'For example --compat-select "framework:onnxruntime>=1.25 python:3.12"; '
        "no spaces inside a pattern.",
    )


def bad_pattern(axis: str, text: str, wanted: str) -> Sentence:
    """A pattern that cannot be read."""
    return Sentence(f"{shown(text)} cannot be matched with {axis}.", f"Write {wanted}.")


# Checks ------------------------------------------------------------------------------------------


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


def bad_build(text: str) -> Sentence:
    """Not FILE.py::function."""
    return Sentence(f"{shown(text)} is not a function in a file.", "Write `models/net.py::build`.")


def random_and_inputs() -> Sentence:
    """Data are given or made, not both."""
    return Sentence("Data has `inputs` or `random`, not both.", "Remove one.")


def outputs_without_inputs() -> Sentence:
    """Outputs of what?"""
    return Sentence("`outputs` belong to `inputs`.", "Name the inputs' .npz file, too.")


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


# Known issues ------------------------------------------------------------------------------------


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


# Several matrices --------------------------------------------------------------------------------


def no_matrices() -> Sentence:
    """A folder without any."""
    return Sentence(
        "There is no matrix in this folder.", "A matrix is a .yaml file; `modelcompat init`."
    )


def same_name(name: str, other: str) -> Sentence:
    """Two matrices of one name in one run."""
    return Sentence(
        f"The matrix {shown(name)} has the name of {other}.", "Give one of them another `name:`."
    )
