"""The node tests of onnx releases, each collected once in an environment of its own.

A corpus is a bundle file in the cache, named by everything that decides its content. Which
packages an onnx release needs besides itself, and which Pythons it has wheels for, is data
(`checks/corpora.yaml`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from pytest_modelcompat.environments import registry
from pytest_modelcompat.environments.cache import file_lock
from pytest_modelcompat.environments.protocol import Failure, Prepared
from pytest_modelcompat.environments.spec import make_spec
from pytest_modelcompat.matrix.model import Image
from pytest_modelcompat.results.model import CellStatus
from pytest_modelcompat.runner import command
from pytest_modelcompat.runner.orders import observed
from pytest_modelcompat.runner.zipapp import worker_file
from pytest_modelcompat.worker.bundle import Bundle

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Corpus", "collect"]

COLLECT_TIMEOUT = 600.0  # seconds; the slowest release takes about 10


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """The collected node tests of one onnx release, or why they could not be had."""

    name: str  # "onnx==1.18.0"
    path: Path | None
    reason: str = ""
    made: tuple[Prepared | Failure, ...] = ()


def collect(name: str, *, cache: Path) -> Corpus:
    """The corpus of one onnx release, from the cache or collected now.

    Args:
        name: as the matrix says it, `onnx==1.18.0`.
        cache: the cache folder.
    """
    rule = _rule(name)
    target = cache / "corpora" / f"{name.replace('==', '-')}-{_digest(name, rule, cache)}.bundle"
    with file_lock(target.with_suffix(".lock")):
        if _usable(target):
            return Corpus(name=name, path=target)
        failures: list[Failure] = []
        for python in rule["python"]:
            made = _prepare(name, rule, python, cache)
            if isinstance(made, Failure):
                failures.append(made)
                continue
            problem = _run_collector(made, target, cache)
            if problem:
                return Corpus(name=name, path=None, reason=problem, made=(made,))
            return Corpus(name=name, path=target, made=(made,))
    # A Python that is not here explains nothing where another one is, and failed.
    telling = [each for each in failures if each.status is not CellStatus.UNAVAILABLE] or failures
    pythons = ", ".join(failure.spec.python for failure in telling)
    reason = f"on Python {pythons}: {telling[0].reason}" if telling else "no Python to try"
    return Corpus(name=name, path=None, reason=reason, made=tuple(failures))


@lru_cache(maxsize=1)
def _rules() -> Any:
    text = resources.files("pytest_modelcompat.checks").joinpath("corpora.yaml").read_text("utf-8")
    return yaml.safe_load(text)


def _rule(name: str) -> dict[str, list[str]]:
    """Python versions to try, newest preference first, and requirements besides onnx."""
    requirement = Requirement(name)
    version = Version(next(iter(requirement.specifier)).version)
    for rule in _rules()["rules"]:
        if version in Requirement(f"onnx{rule['onnx']}").specifier:
            return {"python": rule["python"], "requirements": rule["requirements"]}
    raise KeyError(name)


def _prepare(name: str, rule: dict[str, list[str]], python: str, cache: Path) -> Prepared | Failure:
    spec = make_spec(
        role="corpus",
        image=Image(),
        python=python,
        requirements=(name, *rule["requirements"]),
        exclude_newer=None,
        install_timeout=COLLECT_TIMEOUT,
    )
    return registry.prepare(spec, cache=cache)


def _run_collector(made: Prepared, target: Path, cache: Path) -> str:
    """Collect into `target`; why not, where that failed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    worker = worker_file(cache / "worker")
    done = command.run(
        [*made.python, "-I", worker, "collect", "--output", target],
        env={"PATH": "/usr/bin:/bin", "HOME": str(made.folder), "LANG": "C.UTF-8", **observed()},
        cwd=made.folder,
        timeout=COLLECT_TIMEOUT,
    )
    if done.ok and _usable(target):
        return ""
    target.unlink(missing_ok=True)
    tail = done.err.strip().splitlines()[-1:] or [f"the collector ended with {done.returncode}"]
    return f"collecting failed: {tail[0]}"


def _usable(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        return len(Bundle.open(path)) > 0
    except ValueError:
        return False


def _digest(name: str, rule: dict[str, list[str]], cache: Path) -> str:
    """Of what decides the content: release, requirements, and the collector itself."""
    parts = [name, rule["requirements"], worker_file(cache / "worker").name]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
