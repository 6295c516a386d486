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
    "bad_tox_name",
    "declaration_gone",
    "many_sessions",
    "needs_setting",
    "no_environment_of_its_own",
    "no_own_interpreter",
    "no_such_session",
    "not_made",
    "tool_absent",
    "tool_timed_out",
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
