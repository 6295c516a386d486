"""Sentences about environments that exist already: of nox, of tox, an interpreter, a machine.

They become a cell's `reason`: first what happened, then what is there or what to do. Explanations
of other tools follow on lines of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modelcompat.errors.yaml_file import Sentence, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "bad_bound",
    "bad_folder",
    "bad_install_there",
    "bad_port",
    "bad_python_there",
    "bad_tox_name",
    "copy_timed_out",
    "declaration_gone",
    "empty_range",
    "index_unusable",
    "indexes_unknown",
    "installed_over_ssh",
    "latest_with_bounds",
    "many_sessions",
    "needs_setting",
    "no_answer_from",
    "no_days",
    "no_environment_of_its_own",
    "no_own_interpreter",
    "no_python_there",
    "no_ssh",
    "no_such_session",
    "nobody_looks_up",
    "not_begun",
    "not_copied",
    "not_made",
    "not_reached",
    "other_python_there",
    "range_without_from",
    "tool_absent",
    "tool_timed_out",
    "unfit_python_there",
    "unknown_glibc",
    "value_with_bounds",
]

_TAIL = 2000  # characters of a tool's output that still help a reader


def _after(text: str) -> str:
    text = text.strip()
    return f"\n{text[-_TAIL:]}" if text else ""


def needs_setting(kind: str, setting: str, example: str) -> Sentence:
    """A nox session without its noxfile, a tox environment without its configuration."""
    return Sentence(
        f"An image of kind {kind} needs {setting!r}: there is no {example} beside the matrix.",
        f"Write `{setting}: path/to/{example}`; the path is relative to the matrix.",
    )


def bad_tox_name(text: str) -> Sentence:
    """Tox reads commas as a list, and much else as an option or expression."""
    return Sentence(
        f"A tox environment cannot be {shown(text)}.",
        "Name one environment, with letters, digits and . _ + - only.",
    )


def tool_absent(tool: str) -> str:
    """Neither beside this package nor on PATH."""
    return (
        f"{tool} is not installed: neither where pytest runs nor on PATH. "
        f"Install it: pip install {tool}."
    )


def declaration_gone(path: str) -> str:
    """The noxfile or tox.ini was there when the matrix was read."""
    return f"There is no file {path} any more."


def no_such_session(tool: str, name: str, log: str) -> str:
    """The file does not have it, or does not load."""
    return f"{tool} cannot give the environment {name}.{_after(log)}"


def many_sessions(name: str, found: Sequence[str]) -> str:
    """A name that means several sessions, and the python axis does not tell which."""
    return (
        f"{name} means {len(found)} nox sessions: {', '.join(found)}. Name one of them, or write "
        "the versions into the python axis."
    )


def not_made(tool: str, name: str, log: str) -> str:
    """Its installation failed."""
    return f"{tool} could not make the environment {name}.{_after(log)}"


def no_own_interpreter(tool: str, name: str, log: str) -> str:
    """The interpreter that it is declared for is not on this machine."""
    return f"{tool} finds no interpreter for the environment {name}.{_after(log)}"


def no_environment_of_its_own(tool: str, name: str) -> str:
    """A session with `venv_backend="none"`, and the like."""
    return (
        f"{name} makes no environment of its own, so there is nothing to run in. Give it a virtual "
        f"environment in {tool}'s file, or use `current`."
    )


def tool_timed_out(tool: str, name: str, seconds: float, log: str) -> str:
    """limits.install, for an environment of the user's own."""
    return (
        f"{tool} did not make the environment {name} within {seconds:g} s (limits.install)."
        f"{_after(log)}"
    )


# Other machines -----------------------------------------------------------------------------------


def bad_python_there(text: str) -> Sentence:
    """The setting `python` of a machine."""
    return Sentence(
        f"The Python of a machine cannot be {shown(text)}.",
        "Write a name such as python3.11, or a path, with letters, digits and / . _ + - only.",
    )


def bad_folder(text: str) -> Sentence:
    """The setting `folder` of a machine."""
    return Sentence(
        f"The folder on a machine cannot be {shown(text)}.",
        "Write a path without `..`; a relative one starts in the home folder there.",
    )


def bad_port(text: str) -> Sentence:
    """The setting `port` of a machine."""
    return Sentence(f"A port cannot be {shown(text)}.", "It is a number from 1 to 65535.")


def bad_install_there(text: str) -> Sentence:
    """The setting `install` of a machine."""
    return Sentence(
        f"`install` on a machine cannot be {shown(text)}.",
        "`copy` (the default) copies a tree over; `none` takes what the interpreter there has.",
    )


def installed_over_ssh(framework: str) -> Sentence:
    """`installed`, where a tree is made for the cell."""
    return Sentence(
        f"{framework} takes what an environment of your own has, and a machine gets a new one.",
        "Write `install: none` into the image, so that its interpreter's own packages are used.",
    )


def no_ssh() -> str:
    """The client is missing here."""
    return "There is no ssh on PATH. Install an OpenSSH client."


def not_reached(host: str, said: str) -> str:
    """Ssh itself failed: no route, no such name, refused, a key that nobody knows."""
    return f"The machine {host} cannot be reached over ssh.{_after(said)}"


def no_answer_from(host: str, seconds: float, said: str) -> str:
    """It neither answers nor refuses."""
    return f"The machine {host} gave no answer within {seconds:g} s.{_after(said)}"


def no_python_there(host: str, python: str, said: str) -> str:
    """Reached, but the interpreter is not there or does not run."""
    return (
        f"{python} does not run on {host}. Name another one with the setting `python` of the image."
        f"{_after(said)}"
    )


def other_python_there(host: str, asked: str, found: str) -> str:
    """The axis asks for another version than the machine's."""
    return (
        f"Python {asked} is asked for, but the one on {host} is {found}. Name another one with the "
        "setting `python` of the image, or leave out the python axis."
    )


def unfit_python_there(host: str, found: Sequence[str]) -> str:
    """PyPy, or a free-threaded build: nothing can be installed for them from here."""
    return f"The Python on {host} is {' '.join(found)}; cells there need a plain CPython."


def not_copied(host: str, said: str) -> str:
    """The tree did not arrive: a full disk, a folder that cannot be written."""
    return f"The environment could not be copied to {host}.{_after(said)}"


def copy_timed_out(host: str, seconds: float, said: str) -> str:
    """limits.install, for copying."""
    return (
        f"Copying the environment to {host} did not end within {seconds:g} s (limits.install)."
        f"{_after(said)}"
    )


def not_begun(host: str, said: str) -> str:
    """The line was lost between two steps."""
    return f"The connection to {host} was lost before the cell began.{_after(said)}"


# Version ranges -----------------------------------------------------------------------------------


def bad_bound(name: str, text: str) -> Sentence:
    """An end of a range that is no version."""
    return Sentence(
        f"`{name}` of a range cannot be {shown(text)}.", "Write a version such as 1.15 or 1.20.1."
    )


def latest_with_bounds() -> Sentence:
    """`latest` is one version already."""
    return Sentence(
        "`latest` means one version and takes no `from`, `to` or `every`.",
        'Write `latest`, or a range such as {from: "1.15", every: minor}.',
    )


def value_with_bounds() -> Sentence:
    """One version and a range in one mapping."""
    return Sentence(
        "A value of the framework axis is one version or a range, not both.",
        "Remove `value`, or `from`, `to`, `every` and `pre`.",
    )


def range_without_from() -> Sentence:
    """A range of all that ever was would be a matrix of hundreds of cells."""
    return Sentence("A range needs `from`.", 'Write for example `{from: "1.15", every: minor}`.')


def nobody_looks_up() -> Sentence:
    """A matrix was loaded where no index may be asked."""
    return Sentence(
        "A range of versions can only be resolved where an index may be asked.",
        "Run it with pytest, or write the versions out.",
    )


def empty_range(distribution: str, text: str, newest: str) -> Sentence:
    """The index has nothing in it."""
    if not newest:
        return Sentence(
            f"No index has a version of {shown(distribution)} for Linux.",
            "Check its name, and `exclude_newer`.",
        )
    return Sentence(
        f"There is no version of {distribution} in the range {text}.",
        f"The newest one is {newest}; `pre: true` counts pre-releases.",
    )


def unknown_glibc(text: str, known: Sequence[str]) -> Sentence:
    """`lock --libc` with a version that the resolver has no platform for."""
    return Sentence(
        f"Nothing can be resolved for glibc {shown(text)}.", f"Known here: {', '.join(known)}."
    )


def indexes_unknown(said: str) -> str:
    """Uv does not say which indexes it would ask."""
    return (
        f"uv does not say which indexes it uses, so no version range has a meaning.{_after(said)}"
    )


def no_days(distribution: str, day: str) -> str:
    """An index that lists files without their upload times."""
    return (
        f"The index does not tell when the files of {distribution} were uploaded, so a range has "
        f"no meaning as of {day}. Write the versions out, or leave out exclude_newer. Nothing was "
        "planned and nothing ran."
    )


def index_unusable(url: str, why: str) -> str:
    """An index that a version range depends on."""
    return (
        f"The versions in a range could not be looked up at {url}: {why}. Nothing was planned and "
        "nothing ran."
    )
