"""Bytecode for a tree that nobody can write later.

Compiling everything takes longer than most cells run, so only what an import of the framework
loads is compiled: by the image's own interpreter, into a folder beside the tree, from which it is
moved in here. The tree itself stays read-only for whatever runs in a container.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from pytest_modelcompat.environments.docker.containers import ROOT, Wanted
from pytest_modelcompat.environments.docker.engine import RefusedError
from pytest_modelcompat.environments.docker.once import run_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_modelcompat.environments.docker.images import ImageFound
    from pytest_modelcompat.environments.docker.settings import ContainerSettings
    from pytest_modelcompat.environments.interpreters import Interpreter

__all__ = ["SITE", "compile_imports"]

SITE = f"{ROOT}/site"
SECONDS = 120.0
MEMORY = 4 * 2**30
_BYTECODE = f"{ROOT}/bytecode"
_COMPILED = re.compile(r"[\w.-]+\.cpython-3\d{1,2}t?\.pyc", re.ASCII)
_WARM = """\
import importlib, os, site, sys
sys.pycache_prefix = sys.argv[1]
site.addsitedir(sys.argv[2])
for name in sys.argv[3:]:
    try:
        importlib.import_module(name)
    except BaseException:
        pass  # the cell itself will say what is wrong
os._exit(0)
"""


def compile_imports(
    *,
    image: ImageFound,
    settings: ContainerSettings,
    interpreter: Interpreter,
    names: Sequence[str],
    first: Sequence[str],
    site: Path,
    folder: Path,
) -> str:
    """Put bytecode of what the first requirement imports into a tree; a note for the log.

    Whatever goes wrong in here costs time later and nothing else.

    Args:
        image: in which it is imported.
        settings: of its containers.
        interpreter: of the image.
        names: distributions in the tree.
        first: the framework's requirement.
        site: the tree.
        folder: for the container to write into; made and left to the caller.
    """
    wanted = {canonicalize_name(re.split(r"[^\w.-]", text, maxsplit=1)[0]) for text in first}
    modules = [
        module
        for name in names
        if name in wanted or name == "numpy"
        for module in _modules(site, name)
    ]
    if not modules or interpreter.implementation != "cpython":
        return ""
    folder.mkdir()
    folder.chmod(0o777)  # by nobody
    command = (str(interpreter.path), "-I", "-c", _WARM, _BYTECODE, SITE, *modules)
    try:
        done = run_once(
            Wanted(
                image=image,
                command=command,
                settings=settings,
                role="warm",
                memory=MEMORY,
                seconds=SECONDS,
                mounts={SITE: site},
                writable={_BYTECODE: folder},
            )
        )
    except RefusedError as refused:
        return f"\nno bytecode: {refused.explanation}\n"
    count = _adopt(folder / SITE.lstrip("/"), site)
    return f"\nbytecode of {count} modules in {done.seconds:.1f} s\n"


def _modules(site: Path, name: str) -> list[str]:
    """The packages and modules at the top of a distribution."""
    for info in site.glob("*.dist-info"):
        if canonicalize_name(info.name.partition("-")[0]) != name:
            continue
        record = (info / "RECORD").read_text("utf-8", "replace")
        tops = {line.partition(",")[0].partition("/")[0] for line in record.splitlines()}
        return sorted(
            top.removesuffix(".py")
            for top in tops
            if top.removesuffix(".py").isidentifier()
            and (top.endswith(".py") or (site / top / "__init__.py").is_file())
        )
    return []


def _adopt(made: Path, site: Path) -> int:
    """Move compiled files into the tree; nothing but plain files with such names, no links."""
    count = 0
    for path in made.rglob("*.pyc"):
        target = site / path.parent.relative_to(made)
        plain = path.is_file() and not path.is_symlink() and _COMPILED.fullmatch(path.name)
        inside = target.resolve().is_relative_to(site.resolve()) and target.is_dir()
        if plain and inside:
            cache = target / "__pycache__"
            cache.mkdir(exist_ok=True)
            shutil.copyfile(path, cache / path.name)
            count += 1
    return count
