"""Sentences about environments, runtimes and checks that plugins bring."""

from __future__ import annotations

from pytest_modelcompat.errors import Problem

_MODULES = {
    "runtime": "Give the path of the adapter's module, for example Path(__file__).with_name(…).",
    "exporter": (
        "Give ExporterFile(Path(__file__).with_name(…), needs=(…)) of modelcompat's testing."
    ),
}


def twice(what: str, name: str, first: str, second: str) -> Problem:
    """Two plugins bring a member of the same name."""
    return Problem(
        message=f"Two plugins bring {_one(what)} named {name!r}: {first} and {second}.",
        hint="Switch one of them off with -p no:NAME, or rename it in its plugin.",
    )


def not_a_mapping(hook: str, plugin: str, found: str) -> Problem:
    """A hook that gave something else."""
    return Problem(
        message=f"{hook} of {plugin} gave {found}, not a mapping of names.",
        hint="Return a dictionary, name to member.",
    )


def bad_name(what: str, name: str, plugin: str) -> Problem:
    """A name that cannot stand in a matrix."""
    return Problem(
        message=f"{_one(what).capitalize()} cannot be named {name!r} ({plugin}).",
        hint="Use letters, digits and underscores (hyphens only in exports); no digit first.",
    )


def lacks(what: str, name: str, plugin: str, method: str) -> Problem:
    """A member without something that its protocol asks for."""
    return Problem(message=f"The {what} {name!r} of {plugin} has no `{method}`.")


def no_module(what: str, name: str, plugin: str, found: str) -> Problem:
    """A runtime's adapter or an exporter that is no Python file."""
    return Problem(
        message=f"The {what} {name!r} of {plugin} names {found!r}, which is no Python file.",
        hint=_MODULES[what],
    )


def bad_need(name: str, plugin: str, text: str) -> Problem:
    """Something that cannot be installed."""
    return Problem(
        message=f"The exporter {name!r} of {plugin} needs {text!r}, which is no requirement.",
        hint="Write names with specifiers, such as `numpy<2`.",
    )


def no_rules(name: str, plugin: str, path: str) -> Problem:
    """Rules that are no file."""
    return Problem(
        message=f"The rules for {name!r} of {plugin} are {path!r}, which is no file.",
        hint="Give the path of the YAML file, for example Path(__file__).with_name(…).",
    )


def bad_rules(name: str, plugin: str, file: str, why: str) -> Problem:
    """A file that holds no rules."""
    return Problem(
        message=f"The rules for {name!r} of {plugin} cannot be read: {file}: {why}.",
        hint="docs/extending.md shows a file of rules.",
    )


def _one(what: str) -> str:
    return f"{'an' if what[0] in 'aeiou' else 'a'} {what}"
