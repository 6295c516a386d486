"""docs/cli.md, made from the two parsers: `python -m tests.docs.cli_page > docs/cli.md`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_modelcompat import cli, plugin

HEAD = """\
# The command line

This page is made from the parsers (`python -m tests.docs.cli_page > docs/cli.md`); a test holds it.

## `pytest --compat-matrix`

Runs matrices. With it, only matrices are collected, unless test paths are given too; `-k`, `-x`,
`--lf`, `--collect-only`, `--junitxml`, `-q` and `-v` work as in any pytest run. The ini key
`compat_matrix` names what `--compat-matrix` means without a value.
"""

COMMANDS = """\
## `modelcompat`

Everything around a run. Exit status: 0; 1 where something is not as it should be (a new failure, a
missing part, nothing found); 4 for a mistake, with one sentence for each and no traceback.
"""

# What an option cannot say in one line.
MORE = {
    "diff": "Changes are told in the words of [outputs.md](outputs.md#changes). Exit status 1 if "
    "one is a new failure. Environments that changed alike are one line: `only onnxruntime 1.24.4 "
    "→ 1.25.1 changed`.",
    "merge": "Every planned case must be there once, under its name, and every shard; else nothing "
    "is written. Zip files are checked for names, links, sizes and ratios; nothing in them is "
    "executed. See [ci.md](ci.md).",
    "kubernetes": "Nothing is sent to a cluster: three files are written, and the commands that "
    "create them are printed. See [kubernetes.md](kubernetes.md).",
    "bisect": "Runs the one case in the oldest and the newest release, then always in the middle "
    "of what is open. A release that gives no answer is passed over and named. What lies between "
    "two probes is taken to be like its ends; `--every` runs all.",
    "report": "`--baseline` and `--history` keep what they found beside the run (`changes.json`, "
    "`history.json`), so that the page can be made anew without the other folders.",
    "export": "Formats are told in [outputs.md](outputs.md#exports).",
}


class _Group:
    """What pytest would be told of our options."""

    def __init__(self) -> None:
        self.options: list[tuple[str, dict[str, Any]]] = []

    def addoption(self, name: str, **how: Any) -> None:
        self.options.append((name, how))


class _Parser:
    def __init__(self) -> None:
        self.group = _Group()

    def getgroup(self, *_: str) -> _Group:
        return self.group

    def addini(self, *_: Any, **__: Any) -> None:
        """The head of the page tells it."""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_plugin(), "", COMMANDS, *_commands()]) + "\n"


def pytest_options() -> list[tuple[str, dict[str, Any]]]:
    parser: Any = _Parser()
    plugin.pytest_addoption(parser)
    return parser.group.options


def _plugin() -> Iterator[str]:
    yield "| option | what it does |"
    yield "|---|---|"
    for name, how in pytest_options():
        value = f"={how['metavar']}" if "metavar" in how else ""
        yield f"| `{_cell(name + value)}` | {_cell(how['help'])} |"


def subparsers() -> dict[str, argparse.ArgumentParser]:
    (action,) = [a for a in cli._parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(action.choices)


def _commands() -> Iterator[str]:
    (action,) = [a for a in cli._parser()._actions if isinstance(a, argparse._SubParsersAction)]
    words = {each.dest: each.help or "" for each in action._choices_actions}
    for name, parser in sorted(action.choices.items()):
        yield f"### `modelcompat {name}`"
        yield ""
        yield f"{words[name][:1].upper()}{words[name][1:]}."
        if name in MORE:
            yield ""
            yield MORE[name]
        yield ""
        rows = [a for a in parser._actions if not isinstance(a, argparse._HelpAction)]
        if rows:
            yield "| argument | what it is |"
            yield "|---|---|"
            for each in rows:
                yield f"| `{_shown(each)}` | {_cell(_told(each))} |"
            yield ""


def _shown(action: argparse.Action) -> str:
    if not action.option_strings:
        many = " …" if action.nargs == "+" else ""
        name = str(action.dest).upper() + many
        return f"[{name}]" if action.nargs == "?" else name
    value = ""
    if action.nargs != 0:
        metavar = action.metavar or action.dest.upper()
        value = " " + (" ".join(metavar) if isinstance(metavar, tuple) else metavar)
    return action.option_strings[-1] + value


def _told(action: argparse.Action) -> str:
    told = action.help or ""
    default = action.default
    if isinstance(default, str) and default and default is not argparse.SUPPRESS:
        told += f" (default: `{default}`)"
    return told


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
    raise SystemExit(pytest.ExitCode.OK)
