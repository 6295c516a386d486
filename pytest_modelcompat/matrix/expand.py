"""From a declared matrix to its cells: product, exclude, include, adjust.

Nothing is multiplied out before it was counted, and every combination that a rule takes out or
changes says by which rule, for `--compat-plan`.
"""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from pytest_modelcompat.errors import matrix as words
from pytest_modelcompat.errors import places as place_words
from pytest_modelcompat.matrix.cells import CellMaker
from pytest_modelcompat.matrix.declared import AxisValue
from pytest_modelcompat.matrix.defaults import defaults
from pytest_modelcompat.matrix.grammar import is_python_path
from pytest_modelcompat.matrix.ids import cell_ids
from pytest_modelcompat.matrix.match import matches
from pytest_modelcompat.matrix.model import Framework, Image, Matcher, Matrix, Removed
from pytest_modelcompat.matrix.yaml_nodes import Unusable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from pytest_modelcompat.matrix.declared import Declared, Include
    from pytest_modelcompat.matrix.model import Cell
    from pytest_modelcompat.matrix.yaml_nodes import Problems

__all__ = ["MAX_CELLS_VARIABLE", "expand", "select_cells"]

MAX_CELLS_VARIABLE = "MODELCOMPAT_MAX_CELLS"
MAX_WORK = 20_000_000  # matchers times cells: some ten seconds
Values = tuple[AxisValue, ...]


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A cell before it is made: its values and the rules that put it there."""

    values: Values
    rules: tuple[str, ...] = ()

    @property
    def axes(self) -> tuple[tuple[str, str], ...]:
        """As outputs show them."""
        return tuple((value.axis, value.value) for value in self.values)


def expand(
    declared: Declared, problems: Problems
) -> tuple[tuple[Cell, ...], tuple[Removed, ...], tuple[str, ...]]:
    """Every cell of a matrix.

    Args:
        declared: the file, without problems so far.
        problems: where to tell what only shows in combination.

    Returns:
        The cells, what was removed, and notes about rules that matched nothing; all empty after
        a problem.
    """
    removed: list[Removed] = []
    choices = [
        (framework, *_providers_of(declared, framework, removed))
        for framework in declared.frameworks
    ]
    limit = _cell_limit(problems)
    sizes = math.prod(len(values) for _, values in declared.others)
    sizes *= max(1, len(declared.pythons)) * max(1, len(declared.images))
    count = sum(len(providers) for _, providers, _ in choices) * sizes + len(declared.include)
    if count > limit:
        problems.add(words.too_many_cells(count, limit, MAX_CELLS_VARIABLE))
        return (), (), ()
    work = count * _matchers(declared)
    if work > MAX_WORK:
        problems.add(words.too_many_rules(_matchers(declared), count))
        return (), (), ()
    drafts: dict[tuple[tuple[str, str], ...], Draft] = {}
    used: set[str] = set()
    for framework, providers, rules in choices:
        for values in _combinations(declared, framework, providers):
            draft = Draft(values=values, rules=rules)
            axes = dict(draft.axes)
            rule = next((each for each in declared.exclude if matches(each.match, axes)), None)
            if rule is None:
                drafts[_key(values)] = draft
            else:
                used.add(rule.name)
                removed.append(Removed(axes=draft.axes, rule=rule.name))
    for include in declared.include:
        draft = Draft(values=_included(include), rules=(include.name,))
        if _key(draft.values) in drafts:
            place = Unusable(include.line, include.column)
            shown = " ".join(f"{axis}:{value}" for axis, value in draft.axes)
            problems.add(words.duplicate_include(shown), place)
        drafts.setdefault(_key(draft.values), draft)
    _refuse_contradictions(drafts.values(), problems)
    if not drafts and not problems.found:
        problems.add(words.no_cells())
    if problems.found:
        return (), (), ()
    maker = CellMaker(declared, problems)
    ids = cell_ids(declared.name, (draft.values for draft in drafts.values()))
    cells = tuple(
        maker.make(id_, draft.values, axes, draft.rules)
        for id_, draft, axes in zip(ids, drafts.values(), _told_apart(drafts.values()), strict=True)
    )
    maker.check_references(frozenset(ids))
    used |= maker.used
    names = [rule.name for rule in declared.exclude] + [rule.name for rule in declared.adjust]
    notes = tuple(f"{name} matched nothing" for name in names if name not in used)
    return cells, tuple(removed), notes


def select_cells(matrix: Matrix, matcher: Matcher) -> Matrix:
    """The same matrix with the selected cells only; the others are removed by "select"."""
    kept = tuple(cell for cell in matrix.cells if matches(matcher, cell.axes))
    out = tuple(
        Removed(axes=cell.axes, rule="select")
        for cell in matrix.cells
        if not matches(matcher, cell.axes)
    )
    return replace(matrix, cells=kept, removed=(*matrix.removed, *out))


def _matchers(declared: Declared) -> int:
    """How many matchers each cell is held against."""
    models = sum(1 + len(entry.models) for entry in declared.checks)
    return len(declared.exclude) + len(declared.adjust) + models


def _key(values: Values) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((value.axis, value.id) for value in values))


def _told_apart(drafts: Collection[Draft]) -> Iterator[tuple[tuple[str, str], ...]]:
    """The axes of each cell; where several would have the same ones, with what they are called.

    Outputs know cells by their axes. Two servers of one release, or one provider with two settings,
    would be one target there, and a step from a version to itself.
    """
    alike: dict[tuple[tuple[str, str], ...], list[Values]] = {}
    for draft in drafts:
        alike.setdefault(draft.axes, []).append(draft.values)
    for draft in drafts:
        others = alike[draft.axes]
        differ = [
            value
            for place, value in enumerate(draft.values)
            if len(others) > 1 and len({values[place].id for values in others}) > 1
        ]
        yield (*draft.axes, *((f"{value.axis}.id", value.id) for value in differ))


def _cell_limit(problems: Problems) -> int:
    text = os.environ.get(MAX_CELLS_VARIABLE, "")
    if not text:
        return defaults().max_cells
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < 1:  # noqa: PLR2004
        problems.add(words.bad_cell_limit(MAX_CELLS_VARIABLE, text))
        return defaults().max_cells
    return int(text)


def _default(axis: str, value: str) -> AxisValue:
    image = Image() if axis == "image" else None
    return AxisValue(axis=axis, value=value, id=value, image=image)


def _default_python(image: AxisValue) -> AxisValue:
    """The running interpreter's version; an environment of the user's own has its own."""
    if image.image and image.image.kind in {"nox", "tox", "python", "current", "ssh"}:
        return _default("python", "image")
    return _default("python", f"{sys.version_info.major}.{sys.version_info.minor}")


def _default_provider(framework: Framework) -> AxisValue:
    return _default("provider", defaults().default_provider(framework.runtime))


def _providers_of(
    declared: Declared, framework: AxisValue, removed: list[Removed]
) -> tuple[Values, tuple[str, ...]]:
    """A framework's providers, and the rules that made them so."""
    assert framework.framework is not None
    meant = framework.framework
    own = dict(declared.providers.per_distribution).get(meant.distribution)
    if own:
        return own, ()
    known = []
    for value in declared.providers.flat:
        if defaults().knows_provider(meant.runtime, value.value):
            known.append(value)
        else:
            pair = (("framework", framework.value), ("provider", value.value))
            rule = f"provider {value.value} is not one of {meant.runtime}'s"
            removed.append(Removed(axes=pair, rule=rule))
    if known:
        return tuple(known), ()
    default = _default_provider(meant)
    if not declared.providers.flat:
        return (default,), ()
    return (default,), (f"provider: none of the list is {meant.runtime}'s, so {default.value}",)


def _combinations(declared: Declared, framework: AxisValue, providers: Values) -> Iterator[Values]:
    images = declared.images or (_default("image", "host"),)
    others = [values for _, values in declared.others]
    if declared.pythons:
        pairs = list(product(declared.pythons, images))
    else:
        pairs = [(_default_python(image), image) for image in images]
    for python, image in pairs:
        filled = _filled(image, python)
        for chosen in product(providers, *others):
            yield (framework, python, filled, *chosen)


def _filled(image: AxisValue, python: AxisValue) -> AxisValue:
    """An image whose `{python}` is filled in; left alone where there is no version to put in."""
    if "{python}" not in image.value or python.value == "image" or is_python_path(python.value):
        return image
    value = image.value.replace("{python}", python.value.rstrip("t"))
    id_ = value if image.id == image.value else image.id
    meant = replace(image.image, value=value) if image.image else None
    return replace(image, value=value, id=id_, image=meant)


def _included(include: Include) -> Values:
    """The cell of an `include`, its axes in the usual order, defaults filled in."""
    named = {value.axis: value for value in include.values}
    framework = named.pop("framework")
    assert framework.framework is not None
    image = named.pop("image", None) or _default("image", "host")
    python = named.pop("python", None) or _default_python(image)
    provider = named.pop("provider", None) or _default_provider(framework.framework)
    return (framework, python, _filled(image, python), provider, *named.values())


def _refuse_contradictions(drafts: Iterable[Draft], problems: Problems) -> None:
    """What contradicts itself only in combination, each pair once."""
    told: set[tuple[str, str]] = set()
    for draft in drafts:
        framework, python, image = draft.values[:3]
        assert framework.framework is not None
        assert image.image is not None
        on_host = image.image.kind == "host"
        made_anew = on_host or (
            image.image.kind == "ssh" and ("install", "none") not in image.image.settings
        )
        pair = (framework.value, image.value)
        if made_anew and framework.framework.version == "installed" and pair not in told:
            told.add(pair)
            told_of = words.installed_on_host if on_host else place_words.installed_over_ssh
            problems.add(told_of(framework.value), framework)
        pair = (python.value, image.value)
        if pair in told:
            continue
        if on_host and python.value == "image":
            told.add(pair)
            problems.add(words.image_python_on_host(), python)
        elif "{python}" in image.value:
            told.add(pair)
            problems.add(words.template_without_version(image.value, python.value), image)
