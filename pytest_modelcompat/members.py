"""Who takes part in a run: the members of each seam, ours and those of other plugins.

Ours come through the same hooks as a stranger's, and nobody replaces anybody: two members of one
name are a mistake that is told.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_modelcompat import hookspecs
from pytest_modelcompat.checks import protocol as checks
from pytest_modelcompat.environments import registry
from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.errors import members as words
from pytest_modelcompat.matrix.defaults import defaults
from pytest_modelcompat.matrix.grammar import requirement
from pytest_modelcompat.results import rules
from pytest_modelcompat.runner.settings import ExporterFile, Members
from pytest_modelcompat.runner.zipapp import ADAPTERS, EXPORTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_modelcompat.checks.protocol import Check
    from pytest_modelcompat.environments.protocol import EnvironmentKind
    from pytest_modelcompat.errors import Problem

__all__ = ["gather", "installed", "of_session"]

_PREFIX = "pytest_modelcompat_"
_OURS = "modelcompat-ours"


class Ours:
    """The plugin that brings our own members."""

    @pytest.hookimpl
    def pytest_modelcompat_environments(self) -> Mapping[str, EnvironmentKind]:
        """Those of the registry."""
        return registry.KINDS

    @pytest.hookimpl
    def pytest_modelcompat_runtimes(self) -> Mapping[str, Path]:
        """Those of the worker."""
        return {name: ADAPTERS / f"{name}.py" for name in sorted(defaults().providers)}

    @pytest.hookimpl
    def pytest_modelcompat_checks(self) -> Mapping[str, Check]:
        """Those of the registry."""
        return {name: checks.check(name) for name in checks.REGISTRY}

    @pytest.hookimpl
    def pytest_modelcompat_exporters(self) -> Mapping[str, ExporterFile]:
        """Those of the worker, which knows the module of each."""
        known = EXPORTERS / "__init__.py"
        return {name: ExporterFile(known, needs) for name, needs in defaults().exports.items()}

    @pytest.hookimpl
    def pytest_modelcompat_rules(self) -> Mapping[str, Path]:
        """Those that judging knows by itself."""
        return rules.OURS


def gather(manager: pytest.PytestPluginManager) -> Members:
    """All members that the plugins of a session bring, ours included.

    From then on, judging knows their rules, too.

    Args:
        manager: knows the plugins, and our hooks.

    Raises:
        UsageProblem: a plugin is wrong about something; all of it.
    """
    problems: list[Problem] = []
    found = {
        "environments": _seam(manager, "environments", "kind of environment", _kind, problems),
        "runtimes": _seam(manager, "runtimes", "runtime", _adapter, problems),
        "checks": _seam(manager, "checks", "check", _check, problems),
        "exporters": _seam(manager, "exporters", "exporter", _exporter, problems),
        "rules": _seam(manager, "rules", "file of rules", _rules, problems),
    }
    if problems:
        raise UsageProblem(problems)
    rules.use(found["rules"])
    return Members(**found)


def of_session(manager: pytest.PytestPluginManager) -> Members:
    """The members of a session's plugins, ours registered among them.

    Raises:
        UsageProblem: as `gather`.
    """
    manager.register(Ours(), _OURS)
    return gather(manager)


def installed() -> Members:
    """The members of every installed plugin, where there is no session: for the command.

    Raises:
        UsageProblem: as `gather`.
    """
    manager = pytest.PytestPluginManager()  # which knows hooks by their names, as in a session
    manager.load_setuptools_entrypoints("pytest11")
    hook = getattr(manager.hook, f"{_PREFIX}checks", None)
    if hook is None or not hook.has_spec():
        manager.add_hookspecs(hookspecs)
    manager.register(Ours(), _OURS)
    return gather(manager)


def _seam(
    manager: pytest.PytestPluginManager,
    seam: str,
    what: str,
    wrong: Callable[[str, Any, str], Problem | None],
    problems: list[Problem],
) -> dict[str, Any]:
    hook = _PREFIX + seam
    found: dict[str, Any] = {}
    owners: dict[str, str] = {}
    for each in getattr(manager.hook, hook).get_hookimpls():
        owner = str(each.plugin_name)
        given = each.function()
        if not hasattr(given, "items"):
            problems.append(words.not_a_mapping(hook, owner, type(given).__name__))
            continue
        for name, member in given.items():
            problem = None
            if not (isinstance(name, str) and _plain(name, seam).isidentifier()):
                problem = words.bad_name(what, str(name), owner)
            elif name in owners:
                problem = words.twice(what, name, owners[name], owner)
            problem = problem or wrong(name, member, owner)
            if problem:
                problems.append(problem)
                continue
            owners[name] = owner
            found[name] = member
    return found


def _plain(name: str, seam: str) -> str:
    """The name with the hyphens away that exports may have: `onnx-dynamo` is one."""
    return name.replace("-", "_") if seam == "exporters" else name


def _kind(name: str, member: Any, owner: str) -> Problem | None:
    for method in ("prepare", "start", "inside"):
        if not callable(getattr(member, method, None)):
            return words.lacks("kind of environment", name, owner, method)
    return None


def _check(name: str, member: Any, owner: str) -> Problem | None:
    if not callable(getattr(member, "workload", None)):
        return words.lacks("check", name, owner, "workload")
    return None


def _adapter(name: str, member: Any, owner: str) -> Problem | None:
    path = _path(member)
    return None if _module(path) else words.no_module("runtime", name, owner, str(member))


def _exporter(name: str, member: Any, owner: str) -> Problem | None:
    path = member.path if isinstance(member, ExporterFile) else None
    if not _module(path):
        return words.no_module("exporter", name, owner, str(path or member))
    for text in member.needs:
        if requirement(text) is not None:
            return words.bad_need(name, owner, str(text))
    return None


def _path(member: Any) -> Path | None:
    return Path(member) if isinstance(member, str | Path) else None


def _module(path: Path | None) -> bool:
    return path is not None and path.suffix == ".py" and path.is_file()


def _rules(name: str, member: Any, owner: str) -> Problem | None:
    path = _path(member)
    if path is None or not path.is_file():
        return words.no_rules(name, owner, str(member))
    if path in rules.OURS.values():
        return None
    try:
        rules.read(path)
    except ValueError as problem:
        return words.bad_rules(name, owner, path.name, str(problem).splitlines()[0])
    return None
