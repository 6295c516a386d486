"""Makes the frozen cells: requirements, settings, limits and checks after every rule."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_modelcompat.errors import matrix_checks as check_words
from pytest_modelcompat.errors import yaml_file as file_words
from pytest_modelcompat.matrix.base import beneath
from pytest_modelcompat.matrix.limits import format_limits
from pytest_modelcompat.matrix.match import matches
from pytest_modelcompat.matrix.model import Cell
from pytest_modelcompat.matrix.yaml_nodes import Unusable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pytest_modelcompat.matrix.declared import Adjust, AxisValue, Declared
    from pytest_modelcompat.matrix.model import CheckEntry
    from pytest_modelcompat.matrix.yaml_nodes import Problems

__all__ = ["CellMaker"]


class CellMaker:
    """Makes cells of one matrix; equal parts of cells are the same objects.

    Args:
        declared: the matrix.
        problems: where to tell what shows only in a cell.

    Attributes:
        used: names of the adjust rules that matched a cell.
    """

    def __init__(self, declared: Declared, problems: Problems) -> None:
        self._declared = declared
        self._problems = problems
        self.used: set[str] = set()
        self._texts = {rule.name: _told(rule) for rule in declared.adjust}
        self._checks: dict[tuple[bool, ...], tuple[CheckEntry, ...]] = {}

    def make(
        self,
        id_: str,
        values: Sequence[AxisValue],
        axes: tuple[tuple[str, str], ...],
        rules: tuple[str, ...],
    ) -> Cell:
        """One cell.

        Args:
            id_: of the cell.
            values: framework, python, image and provider first.
            axes: the values as outputs show them.
            rules: what put it there.
        """
        declared = self._declared
        framework, python, image, provider = values[:4]
        assert framework.framework is not None
        assert image.image is not None
        by_axis = dict(axes)
        meant = framework.framework
        requirements: dict[str, None] = {}
        if meant.version != "installed":
            requirements[str(meant)] = None
        env: dict[str, str] = {}
        options: dict[str, str] = {}
        for value in values[4:]:
            group, _, name = value.axis.partition(".")
            if group == "packages":
                requirements[f"{name}=={value.value}"] = None
            else:
                (env if group == "env" else options)[name] = value.value
        requirements.update(dict.fromkeys(declared.packages))
        for value in values:
            requirements.update(dict.fromkeys(value.packages))
            env.update(value.env)
            options.update(value.options)
        limits, skip = declared.limits, None
        for rule in declared.adjust:
            if not matches(rule.match, by_axis):
                continue
            self.used.add(rule.name)
            requirements.update(dict.fromkeys(rule.packages))
            env.update(rule.env)
            options.update(rule.options)
            if rule.limits:
                limits = replace(limits, **dict(rule.limits))  # type: ignore[arg-type]
            skip = rule.skip or skip
            rules = (*rules, self._texts[rule.name])
        if declared.base:
            kept, gone = beneath(declared.base, meant, requirements)
            requirements.update(dict.fromkeys(kept))
            rules = (*rules, *(f"base: {each} gives way" for each in gone))
        return Cell(
            id=id_,
            matrix=declared.name,
            matrix_file=declared.file,
            axes=axes,
            framework=meant,
            python=python.value,
            image=image.image,
            provider=provider.value,
            requirements=tuple(requirements),
            env=tuple(env.items()),
            options=tuple(options.items()),
            limits=limits,
            exclude_newer=declared.exclude_newer,
            skip=skip,
            checks=self._checks_of(by_axis),
            rules=rules,
        )

    def _checks_of(self, axes: dict[str, str]) -> tuple[CheckEntry, ...]:
        """The entries whose `when` holds, their models filtered likewise."""
        key = tuple(
            matches(each, axes)
            for entry in self._declared.checks
            for each in (entry.when, *(model.when for model in entry.models))
        )
        if key in self._checks:
            return self._checks[key]
        found = []
        seen: dict[tuple[str, str], int] = {}
        for entry in self._declared.checks:
            if not matches(entry.when, axes):
                continue
            models = tuple(model for model in entry.models if matches(model.when, axes))
            if entry.models and not models:
                continue
            for model in models:
                first = seen.setdefault((entry.check, model.name), model.line)
                if first != model.line:
                    self._tell_once(
                        check_words.duplicate_model(model.name, entry.check, first), model.line
                    )
            found.append(entry if models == entry.models else replace(entry, models=models))
        self._checks[key] = tuple(found)
        return self._checks[key]

    def _tell_once(self, sentence: file_words.Sentence, line: int) -> None:
        told = {(problem.message, problem.line) for problem in self._problems.found}
        if (sentence.message, line) not in told:
            self._problems.add(sentence, Unusable(line, 0))

    def check_references(self, ids: Collection[str]) -> None:
        """Tell every `reference: cell:ID` that names no cell."""
        for entry in self._declared.checks:
            for model in entry.models:
                kind, _, id_ = (model.reference or "").partition(":")
                if kind == "cell" and id_ not in ids:
                    self._problems.add(check_words.unknown_cell(id_, ids), Unusable(model.line, 0))


def _told(rule: Adjust) -> str:
    """A rule as `--compat-plan` prints it."""
    parts = []
    if rule.packages:
        parts.append(f"packages +{' +'.join(rule.packages)}")
    parts += [
        f"{group} {' '.join(f'{name}={value}' for name, value in pairs)}"
        for group, pairs in (("env", rule.env), ("options", rule.options))
        if pairs
    ]
    if rule.limits:
        parts.append(f"limits {format_limits(rule.limits)}")
    if rule.skip:
        parts.append(f"skip: {rule.skip}")
    return f"{rule.name}: {', '.join(parts)}"
