"""Takes typed values out of nodes, and tells every problem with its place.

Whatever cannot be used is reported and left out, so that the reader can go on and find the rest
of a file's problems. A null stands for a value that was forgotten, never for a default.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from pytest_modelcompat.errors import grammar as grammar_words
from pytest_modelcompat.errors import matrix as words
from pytest_modelcompat.errors import yaml_file as file_words
from pytest_modelcompat.matrix.yaml_nodes import (
    ListNode,
    MapNode,
    TextNode,
    Unusable,
    is_null,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from pytest_modelcompat.errors.yaml_file import Sentence
    from pytest_modelcompat.matrix.yaml_nodes import Node, Place, Problems

    Grammar = Callable[[str], Sentence | None]

__all__ = ["Reader"]

_INTEGER = re.compile(r"[0-9]{1,18}")
_FLOAT = re.compile(r"[0-9]*\.?[0-9]+([eE][+-]?[0-9]{1,3})?|[0-9]+\.([eE][+-]?[0-9]{1,3})?")


def _kind(node: Node) -> str:
    if isinstance(node, MapNode):
        return "a mapping"
    return "a list" if isinstance(node, ListNode) else file_words.shown(getattr(node, "value", ""))


class Reader:
    """Reads nodes of one file; problems go where it was told."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def tell(self, sentence: Sentence, at: Place | None) -> None:
        """Note a problem."""
        self.problems.add(sentence, at)

    def _wants(self, node: Node, what: str, wanted: str, example: str) -> None:
        if is_null(node):
            self.tell(words.no_value(what), node)
        elif not isinstance(node, Unusable):
            self.tell(words.wants(what, wanted, _kind(node), example), node)

    def entries(self, node: Node, what: str, example: str) -> tuple[tuple[TextNode, Node], ...]:
        """The entries of a mapping with free keys."""
        if isinstance(node, MapNode):
            return node.entries
        self._wants(node, what, "a mapping", example)
        return ()

    def fields(
        self, node: Node, what: str, known: Collection[str], example: str
    ) -> dict[str, Node]:
        """The fields of a mapping with known keys."""
        fields = {}
        for key, value in self.entries(node, what, example):
            if key.value in known:
                fields[key.value] = value
            else:
                self.tell(words.unknown_key(key.value, what, known), key)
        return fields

    def items(self, node: Node | None, what: str, example: str) -> tuple[Node, ...]:
        """The items of a list; a missing one is empty."""
        if node is None:
            return ()
        if isinstance(node, ListNode):
            return node.items
        self._wants(node, what, "a list", example)
        return ()

    def text(self, node: Node | None, what: str, grammar: Grammar | None = None) -> str | None:
        """A non-empty text that fits its grammar; None where it is missing or wrong."""
        if node is None:
            return None
        if not isinstance(node, TextNode) or is_null(node):
            self._wants(node, what, "text", "")
            return None
        sentence = (
            words.empty_text(what)
            if not node.value.strip()
            else (grammar(node.value) if grammar else None)
        )
        if sentence:
            self.tell(sentence, node)
            return None
        return node.value

    def texts(
        self, node: Node | None, what: str, example: str, grammar: Grammar | None = None
    ) -> tuple[str, ...]:
        """A list of distinct texts."""
        found: dict[str, int] = {}
        for item in self.items(node, what, example):
            text = self.text(item, what, grammar)
            if text is None:
                continue
            if text in found:
                self.tell(words.duplicate(f"In {what},", text, found[text]), item)
            found.setdefault(text, item.line)
        return tuple(found)

    def text_or_texts(
        self, node: Node | None, what: str, grammar: Grammar | None = None
    ) -> tuple[str, ...]:
        """One text, or a list of them."""
        if isinstance(node, ListNode):
            if not node.items:
                self.tell(words.no_values(what), node)
            return self.texts(node, what, "", grammar)
        text = self.text(node, what, grammar)
        return () if text is None else (text,)

    def choice(self, node: Node | None, what: str, known: Sequence[str]) -> str | None:
        """One word of a fixed list."""
        return self.text(
            node, what, lambda text: None if text in known else words.one_of(what, text, known)
        )

    def integer(self, node: Node | None, what: str, least: int, most: int) -> int | None:
        """An integer within bounds."""
        wanted = f"an integer from {least} to {most}"

        def grammar(text: str) -> Sentence | None:
            if _INTEGER.fullmatch(text) and least <= int(text) <= most:
                return None
            return words.not_a_number(what, text, wanted)

        text = self.text(node, what, grammar)
        return None if text is None else int(text)

    def number(self, node: Node, what: str) -> float | None:
        """A finite number from 0 on."""

        def grammar(text: str) -> Sentence | None:
            if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
                return None
            return words.not_a_number(what, text, "a number from 0 on, such as 1e-3")

        text = self.text(node, what, grammar)
        return None if text is None else float(text)

    def settings(
        self, node: Node | None, what: str, key_grammar: Grammar, example: str
    ) -> tuple[tuple[str, str], ...]:
        """A mapping of names to text; an empty text in quotes is a value."""
        if node is None:
            return ()
        found = []
        for key, value in self.entries(node, what, example):
            sentence = key_grammar(key.value)
            if sentence:
                self.tell(sentence, key)
                continue
            text = self.value(value, f"{what} {key.value}")
            if text is not None:
                found.append((key.value, text))
        return tuple(found)

    def value(self, node: Node, what: str) -> str | None:
        """Any text without control characters; it may be empty where it is quoted."""
        if not isinstance(node, TextNode) or is_null(node):
            self._wants(node, what, "text", "")
            return None
        odd = next((c for c in node.value if ord(c) < 32 and c != "\t"), None)  # noqa: PLR2004
        if odd is not None:
            self.tell(grammar_words.bad_text(what, ord(odd)), node)
            return None
        return node.value
