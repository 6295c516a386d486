"""What an exception means, read from its message by rules that are data.

`rules/RUNTIME.yaml` holds an ordered list; the first rule that matches decides, and a message that
none matches is an `error`. A rule is about wording that a real release used (`seen` says which),
never about one operator, so that a stored run can be classified again when the rules get better.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pytest_modelcompat.results.model import Stage, Status

__all__ = ["OURS", "Rule", "classify", "read", "rules_for", "use"]

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = Path(__file__).parent / "rules"
_COMMON = "common"
_HEAD, _TAIL = 16384, 4096  # characters of a message that are searched
_REMEMBERED = 1024  # messages
_ENDED = frozenset({"raised", "crashed"})
_STATUSES = frozenset({Status.UNSUPPORTED, Status.GATED, Status.OUT_OF_MEMORY, Status.ERROR})
_KEYS = frozenset({"id", "ended", "type", "message", "stage", "status", "note", "seen"})


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One line of the classification.

    Attributes:
        id: unique over all files; kept with every verdict that it gave.
        status: unsupported, gated, out_of_memory or error.
        message: searched in the message (and, for a death, in what the process printed); None: any,
            where the type says it all.
        type: searched in the exception's type; None: any.
        stage: where it may have happened; empty: anywhere.
        ended: raised or crashed.
        note: why the wording means that.
        seen: releases in which the wording was seen.
    """

    id: str
    status: Status
    message: re.Pattern[str] | None = None
    type: re.Pattern[str] | None = None
    stage: frozenset[Stage] = frozenset()
    ended: str = "raised"
    note: str
    seen: tuple[str, ...]

    def matches(self, *, ended: str, type_: str, message: str, stage: Stage) -> bool:
        """Whether this rule is about that end of a case."""
        return (
            ended == self.ended
            and (not self.stage or stage in self.stage)
            and (self.type is None or self.type.search(type_) is not None)
            and (self.message is None or self.message.search(message) is not None)
        )


OURS: Mapping[str, Path] = {
    place.stem: place for place in sorted(_FOLDER.glob("*.yaml")) if place.stem != _COMMON
}
"""Runtime -> the file with its rules."""

_used: dict[str, Path] = dict(OURS)


def use(others: Mapping[str, Path]) -> None:
    """Know the rules of other plugins' runtimes, too, from now on.

    Args:
        others: runtime -> file; each can be read.
    """
    _used.clear()
    _used.update({**others, **OURS})
    rules_for.cache_clear()
    _first.cache_clear()


@cache
def rules_for(runtime: str) -> tuple[Rule, ...]:
    """The rules of one runtime, its own first, then those common to all.

    A file may name others in `include`, whose rules come between.

    Raises:
        ValueError: a rule file is wrong, which is our mistake.
    """
    found: dict[str, Rule] = {}
    for path in (_used.get(runtime), _shared(_COMMON)):
        for rule in read(path) if path else ():
            found.setdefault(rule.id, rule)
    return tuple(found.values())


def _shared(name: str) -> Path:
    return _FOLDER / f"{name}.yaml"


def read(path: Path) -> tuple[Rule, ...]:
    """The rules of a file, then those of our files that it includes.

    Raises:
        ValueError: it is no file of rules; in the words of what is wrong.
    """
    try:
        data = yaml.safe_load(path.read_text("utf-8"))
        rules = [_rule(path.stem, entry) for entry in data["rules"] or ()]
        others = [*(data.get("include") or ())]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, re.error) as problem:
        raise ValueError(f"{type(problem).__name__}: {problem}") from problem
    for name in others:
        if name not in OURS:
            raise ValueError(f"includes {name!r}, which is no runtime of ours")
        rules += read(OURS[name])
    return tuple(rules)


def _rule(name: str, entry: dict[str, Any]) -> Rule:
    if unknown := set(entry) - _KEYS:
        raise ValueError(f"{name}.yaml: {entry.get('id')}: unknown {sorted(unknown)}")
    rule = Rule(
        id=entry["id"],
        status=Status(entry["status"]),
        message=_pattern(entry.get("message")),
        type=_pattern(entry.get("type")),
        stage=frozenset(map(Stage, entry.get("stage") or ())),
        ended=entry.get("ended", "raised"),
        note=entry["note"],
        seen=tuple(entry["seen"]),
    )
    patterns = [pattern for pattern in (rule.message, rule.type) if pattern is not None]
    if (
        rule.ended not in _ENDED
        or rule.status not in _STATUSES
        or not patterns
        or any(pattern.search("") for pattern in patterns)  # a blanket
        or not rule.seen
    ):
        raise ValueError(f"{name}.yaml: {rule.id}: not a rule")
    return rule


def _pattern(text: str | None) -> re.Pattern[str] | None:
    return None if text is None else re.compile(text)


def classify(runtime: str, *, ended: str, type_: str, message: str, stage: Stage) -> Rule | None:
    """The first rule that matches, or None: nobody knows, which is an error.

    Args:
        runtime: the adapter's name.
        ended: raised or crashed.
        type_: of the exception.
        message: raw; of a death also what the process printed.
        stage: of the call that raised or died.
    """
    if len(message) > _HEAD + _TAIL:
        message = message[:_HEAD] + "\n" + message[-_TAIL:]
    return _first(runtime, ended, type_, message, stage)


@lru_cache(maxsize=_REMEMBERED)  # the cells of a run say much the same
def _first(runtime: str, ended: str, type_: str, message: str, stage: Stage) -> Rule | None:
    for rule in rules_for(runtime):
        if rule.matches(ended=ended, type_=type_, message=message, stage=stage):
            return rule
    return None
