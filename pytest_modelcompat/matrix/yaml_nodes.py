"""Strict reading of a small YAML file into nodes whose scalars are all text.

PyYAML's event stream is used and nothing above it: no resolver turns `3.10` into a number, no
constructor makes an object, no recursion can overflow, and no alias can multiply a document.
Whatever a matrix has no use for (anchors, tags, merge keys, several documents) is a problem with
a place. Reading never blocks and never takes more than the limit from the file.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import yaml

from pytest_modelcompat.errors import Problem, UsageProblem
from pytest_modelcompat.errors import yaml_file as file_words

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = [
    "ListNode",
    "MapNode",
    "Node",
    "Place",
    "Problems",
    "TextNode",
    "Unusable",
    "is_null",
    "parse",
    "read_bytes",
]

MAX_BYTES = 2**20
MAX_DEPTH = 32
MAX_PROBLEMS = 100
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where PyYAML was built with it


class Place(Protocol):
    """Anything that stands somewhere in a file."""

    @property
    def line(self) -> int:
        """1-based; 0 where unknown."""

    @property
    def column(self) -> int:
        """1-based; 0 where unknown."""


@dataclass(frozen=True, slots=True)
class TextNode:
    """A scalar, as it was written; `plain` where it stood without quotes."""

    value: str
    line: int
    column: int
    plain: bool = True


@dataclass(frozen=True, slots=True)
class MapNode:
    """A mapping; its keys are distinct."""

    entries: tuple[tuple[TextNode, Node], ...]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class ListNode:
    """A sequence."""

    items: tuple[Node, ...]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Unusable:
    """Something about which a problem was reported already."""

    line: int
    column: int


Node = TextNode | MapNode | ListNode | Unusable


def is_null(node: Node) -> bool:
    """Whether nothing was written: `key:`, `key: ~` or `key: null`."""
    return isinstance(node, TextNode) and node.plain and node.value in _NULLS


class Problems:
    """Collects the problems of one file, so that all of them are shown at once."""

    def __init__(self, file: Path | str | None) -> None:
        self.file = file
        self.found: list[Problem] = []

    def add(self, sentence: file_words.Sentence, at: Place | None = None) -> None:
        """Note a problem.

        Raises:
            UsageProblem: there are too many to be of use to anybody.
        """
        self.found.append(
            Problem(
                message=sentence.message,
                hint=sentence.hint,
                file=self.file,
                line=(at.line or None) if at else None,
                column=(at.column or None) if at else None,
            )
        )
        if len(self.found) >= MAX_PROBLEMS:
            more = Problem(message=file_words.too_many(MAX_PROBLEMS).message, file=self.file)
            raise UsageProblem([*self.found, more])

    def extend(self, problems: Iterable[Problem]) -> None:
        """Take over the problems of another file."""
        self.found.extend(problems)

    def settle(self) -> None:
        """Go on only if there was none.

        Raises:
            UsageProblem: with all of them, in the order of their lines.
        """
        if self.found:
            own = str(self.file)
            raise UsageProblem(
                sorted(
                    self.found,
                    key=lambda each: (str(each.file) != own, str(each.file), each.line or 0),
                )
            )


def read_bytes(path: Path, problems: Problems, what: str) -> bytes | None:
    """The bytes of a small regular file, or None after a problem.

    Args:
        path: the file.
        problems: where to tell.
        what: "matrix", for the sentence.
    """
    try:
        # Without O_NONBLOCK, opening a FIFO would wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            found = os.fstat(descriptor)
            data = _read(descriptor) if stat.S_ISREG(found.st_mode) else b""
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        problems.add(file_words.no_such_file(what, str(path)))
    except (OSError, ValueError) as error:
        problems.add(file_words.unreadable(getattr(error, "strerror", None) or str(error)))
    else:
        if stat.S_ISDIR(found.st_mode):
            problems.add(file_words.is_a_folder())
        elif not stat.S_ISREG(found.st_mode):
            problems.add(file_words.not_a_file())
        elif len(data) > MAX_BYTES:
            problems.add(file_words.too_large(max(found.st_size, len(data)), MAX_BYTES))
        else:
            return data
    return None


def _read(descriptor: int) -> bytes:
    """The whole file, or one byte more than is allowed."""
    data = b""
    while len(data) <= MAX_BYTES:
        more = os.read(descriptor, MAX_BYTES + 1 - len(data))
        if not more:
            break
        data += more
    return data


def parse(data: bytes, problems: Problems, what: str) -> Node | None:
    """The single document in these bytes, or None after a problem that hides the rest.

    Args:
        data: at most `MAX_BYTES`.
        problems: where to tell.
        what: "matrix", for the sentence about an empty file.
    """
    text = _decode(data, problems)
    if text is None:
        return None
    builder = _Builder(problems)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if not builder.take(event):
                return None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = text.splitlines()[mark.line : mark.line + 1] if mark else []
        indent = line[0][: len(line[0]) - len(line[0].lstrip())] if line else ""
        at = Unusable(mark.line + 1, mark.column + 1) if mark else None
        problem = str(error.problem or error.context or "it cannot be parsed")
        if "\t" in indent:
            problems.add(file_words.tab_indent(), at)
        elif "alias" in str(error.context):
            problems.add(file_words.unquoted_star(), at)
        else:
            problems.add(file_words.not_yaml(problem), at)
        return None
    except yaml.YAMLError as error:  # the reader's errors carry no mark
        problems.add(file_words.not_yaml(str(error).splitlines()[0]))
        return None
    if builder.root is None or is_null(builder.root):
        problems.add(file_words.empty_file(what))
        return None
    return builder.root


def _decode(data: bytes, problems: Problems) -> str | None:
    if data.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        problems.add(file_words.wrong_encoding("UTF-32"))
        return None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        problems.add(file_words.wrong_encoding("UTF-16"))
        return None
    if b"\0" in data:
        # Plain English in UTF-16 without a mark has a zero in every second byte.
        utf16 = data[:64].count(0) * 3 >= len(data[:64])
        problems.add(file_words.wrong_encoding("UTF-16") if utf16 else file_words.binary())
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problems.add(file_words.not_utf8(error.start), Unusable(line, 0))
        return None
    odd = _FORBIDDEN.search(text)
    if odd:
        before = text[: odd.start()]
        at = Unusable(before.count("\n") + 1, odd.start() - before.rfind("\n"))
        problems.add(file_words.control_character(ord(odd.group())), at)
        return None
    return text


@dataclass
class _Frame:
    """A collection that is still open."""

    event: yaml.Event
    items: list[Node] = field(default_factory=list)
    entries: list[tuple[TextNode, Node]] = field(default_factory=list)
    key: Node | None = None
    seen: dict[str, int] = field(default_factory=dict)  # key -> line


class _Builder:
    """Builds nodes from events with a stack of its own."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.root: Node | None = None
        self._stack: list[_Frame] = []
        self._documents = 0

    def take(self, event: yaml.Event) -> bool:
        """Use one event; False where going on makes no sense."""
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self.problems.add(file_words.several_documents(), _place(event))
                return False
        elif isinstance(event, yaml.AliasEvent):
            self.problems.add(file_words.alias(str(event.anchor)), _place(event))
            self._put(_place(event))
        elif isinstance(event, yaml.ScalarEvent):
            self._refuse_decorations(event)
            self._put(self._scalar(event))
        elif isinstance(event, yaml.CollectionStartEvent):
            self._refuse_decorations(event)
            if len(self._stack) >= MAX_DEPTH:
                self.problems.add(file_words.too_deep(MAX_DEPTH), _place(event))
                return False
            self._stack.append(_Frame(event))
        elif isinstance(event, yaml.CollectionEndEvent):
            frame = self._stack.pop()
            at = _place(frame.event)
            if isinstance(frame.event, yaml.MappingStartEvent):
                self._put(MapNode(tuple(frame.entries), at.line, at.column))
            else:
                self._put(ListNode(tuple(frame.items), at.line, at.column))
        return True

    def _refuse_decorations(self, event: yaml.NodeEvent) -> None:
        if event.anchor is not None:
            self.problems.add(file_words.anchor(str(event.anchor)), _place(event))
        tag = getattr(event, "tag", None)
        if tag is not None:
            self.problems.add(file_words.tag(str(tag)), _place(event))

    def _scalar(self, event: yaml.ScalarEvent) -> Node:
        at = _place(event)
        value = str(event.value)
        if _SURROGATE.search(value):
            self.problems.add(file_words.surrogate(), at)
            return at
        return TextNode(value, at.line, at.column, plain=not event.style)

    def _put(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        frame = self._stack[-1]
        if not isinstance(frame.event, yaml.MappingStartEvent):
            frame.items.append(node)
        elif frame.key is None:
            frame.key = self._key(node, frame)
        else:
            if isinstance(frame.key, TextNode):
                frame.entries.append((frame.key, node))
            frame.key = None

    def _key(self, node: Node, frame: _Frame) -> Node:
        """The node as a key, or something unusable whose value is dropped."""
        if isinstance(node, Unusable):
            return node
        if not isinstance(node, TextNode):
            self.problems.add(file_words.complex_key(), node)
        elif node.value == "<<" and node.plain:
            self.problems.add(file_words.merge_key(), node)
        elif node.value in frame.seen:
            self.problems.add(file_words.duplicate_key(node.value, frame.seen[node.value]), node)
        else:
            frame.seen[node.value] = node.line
            return node
        return Unusable(node.line, node.column)


def _place(event: yaml.Event) -> Unusable:
    mark = event.start_mark
    assert mark is not None  # events of a parser always stand somewhere
    return Unusable(mark.line + 1, mark.column + 1)
