"""Known-issues files: a YAML list of declared, linked, expiring expectations."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from typing import TYPE_CHECKING

from pytest_modelcompat.errors import grammar as grammar_words
from pytest_modelcompat.errors import matrix as words
from pytest_modelcompat.errors import matrix_checks as check_words
from pytest_modelcompat.errors import yaml_file as file_words
from pytest_modelcompat.matrix import grammar
from pytest_modelcompat.matrix.load_rules import parse_matcher
from pytest_modelcompat.matrix.load_values import Context
from pytest_modelcompat.matrix.model import KnownIssue
from pytest_modelcompat.matrix.reading import Reader
from pytest_modelcompat.matrix.yaml_nodes import ListNode, MapNode, Problems, parse, read_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_modelcompat.errors.yaml_file import Sentence
    from pytest_modelcompat.matrix.yaml_nodes import Node

__all__ = ["STAGES", "STATUSES", "load_known_issues"]

# The words of results/model.py, less those that are no failure; a test holds them together, as
# the matrix must not import what is built upon it.
STAGES = (
    "resolve", "install", "start", "import", "produce", "check", "load", "assign", "run",
    "compare",
)  # fmt: skip
STATUSES = (
    "fallback", "failed", "nondeterministic", "unsupported", "gated", "error", "crashed",
    "timed_out", "out_of_memory", "skipped", "not_run", "unsatisfiable", "environment_failed",
    "misconfigured", "unavailable", "infrastructure_failed", "interrupted",
)  # fmt: skip
_SUCCESSES = ("passed", "completed")
_KEYS = (
    "id", "match", "check", "unit", "case", "stage", "status", "message", "issue", "reason",
    "expires",
)  # fmt: skip
_LONGEST_REGEX = 1000
_EXAMPLE = "{id: relu-crash, unit: ai.onnx::Relu, status: crashed, expires: 2027-01-31}"


def load_known_issues(
    context: Context, node: Node | None, matrix: Path
) -> tuple[tuple[KnownIssue, ...], bytes]:
    """The entries of every file that a matrix names, and the digests of those files.

    Args:
        context: of the matrix; problems of a named file are told with that file's name.
        node: the list under `known_issues`.
        matrix: the matrix's own file.
    """
    reader = context.reader
    entries: dict[str, KnownIssue] = {}
    digests = b""
    seen: dict[Path, int] = {}
    for item in reader.items(node, "`known_issues`", "[known-issues.yaml]"):
        text = reader.text(item, "A known-issues file", _path)
        if text is None:
            continue
        path = context.folder / text
        real = type(path)(os.path.realpath(path))
        if real == type(path)(os.path.realpath(matrix)):
            reader.tell(check_words.known_issues_of_itself(), item)
            continue
        if real in seen:
            reader.tell(words.duplicate("The file", text, seen[real]), item)
            continue
        seen[real] = item.line
        if not path.exists():
            reader.tell(file_words.no_such_file("known-issues file", text), item)
            continue
        context.files.append(type(path)(os.path.normpath(path)))
        problems = Problems(path)
        data = read_bytes(path, problems, "known-issues file")
        if data is not None:
            digests += hashlib.sha256(data).digest()
            _entries(context, data, problems, entries)
        reader.problems.extend(problems.found)
    return tuple(entries.values()), digests


def _path(text: str) -> Sentence | None:
    return grammar.printable("A path", text)


def _entries(
    context: Context, data: bytes, problems: Problems, entries: dict[str, KnownIssue]
) -> None:
    root = parse(data, problems, "known-issues file")
    if root is None:
        return
    if not isinstance(root, ListNode):
        nested = isinstance(root, MapNode) and any(
            key.value in {"known_issues", "axes", "checks", "include"} for key, _ in root.entries
        )
        problems.add(
            check_words.nested_known_issues() if nested else check_words.not_known_issues(), root
        )
        return
    own = Context(reader=Reader(problems), folder=context.folder, axis_names=context.axis_names)
    for item in root.items:
        entry = _entry(own, item)
        if entry is None:
            continue
        if entry.id and entry.id in entries:
            problems.add(words.duplicate("The id", entry.id, entries[entry.id].line), item)
            continue
        entries[entry.id] = entry


def _entry(context: Context, node: Node) -> KnownIssue | None:
    reader = context.reader
    fields = reader.fields(node, "A known issue", _KEYS, _EXAMPLE)
    if not isinstance(node, MapNode):
        return None
    if "id" not in fields:
        reader.tell(words.missing_key("id", "A known issue", _EXAMPLE), node)
    if not set(fields) & {"match", "check", "unit", "case", "stage", "status", "message"}:
        reader.tell(check_words.blanket_issue(), node)

    def plain(key: str) -> str | None:
        return reader.text(
            fields.get(key), f"`{key}`", lambda text: grammar.printable(f"`{key}`", text)
        )

    return KnownIssue(
        id=reader.text(fields.get("id"), "An id", lambda text: grammar.name("An id", text)) or "",
        match=parse_matcher(context, fields.get("match"), "`match`"),
        check=plain("check"),
        unit=plain("unit"),
        case=plain("case"),
        stage=reader.text_or_texts(fields.get("stage"), "`stage`", _stage),
        status=reader.text_or_texts(fields.get("status"), "`status`", _status),
        message=reader.text(fields.get("message"), "`message`", _regex),
        issue=reader.text(fields.get("issue"), "`issue`", grammar.issue_link),
        reason=plain("reason") or "",
        expires=reader.text(
            fields.get("expires"), "`expires`", lambda text: grammar.date("The day", text)
        ),
        file=reader.problems.file if not isinstance(reader.problems.file, str) else None,
        line=node.line,
    )


def _stage(text: str) -> Sentence | None:
    return None if text in STAGES else words.one_of("`stage`", text, STAGES)


def _status(text: str) -> Sentence | None:
    if text in _SUCCESSES:
        return check_words.expects_success(text)
    return None if text in STATUSES else words.one_of("`status`", text, STATUSES)


def _regex(text: str) -> Sentence | None:
    if len(text) > _LONGEST_REGEX:
        return grammar_words.bad_regex(
            "`message`", text, f"it has more than {_LONGEST_REGEX} characters"
        )
    try:
        with warnings.catch_warnings():  # a doubtful expression is still a usable one
            warnings.simplefilter("ignore")
            re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        return grammar_words.bad_regex("`message`", text, str(error))
    return None
