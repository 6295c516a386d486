"""What `modelcompat rejudge` needs before it judges: a copy of the run, and its arguments read."""

from __future__ import annotations

import math
import os
import shutil
from typing import TYPE_CHECKING

from pytest_modelcompat.errors import Problem, UsageProblem, suggest
from pytest_modelcompat.errors import results as errors
from pytest_modelcompat.matrix.model import Tolerance
from pytest_modelcompat.results.blobs import Blobs, is_digest
from pytest_modelcompat.results.files import FolderLock
from pytest_modelcompat.results.folder import adopt, is_copy, make_folder
from pytest_modelcompat.results.load import load
from pytest_modelcompat.results.plan_file import PLAN
from pytest_modelcompat.results.write import RUN
from pytest_modelcompat.worker.values import BITS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_modelcompat.matrix.model import Tolerances

__all__ = ["copy_run", "parse_tolerances", "refuse_another"]

_FORMS = ("rtol", "atol", "ulp", "quanta")


def refuse_another(folder: Path, identity: str) -> None:
    """Refuse a folder with another run, unless that is a copy, too.

    Args:
        folder: for the copy.
        identity: of the run that is to be copied.

    Raises:
        UsageProblem: another run lies there.
        StoredRunProblem: something damaged.
    """
    if (folder / RUN).is_file() and load(folder).info.id != identity and not is_copy(folder):
        raise errors.rejudged_over_another(folder)


def copy_run(source: Path, target: Path) -> None:
    """Copy a run's store, plan and raw outputs; the files made from them are left to be made anew.

    Args:
        source: a report folder.
        target: another, new or with the same run or a copy in it, which is replaced.

    Raises:
        StoreProblem: no store to copy, or a target that is not ours to replace.
        UsageProblem: another run in the target.
        WriteError: the disk is full or the folder read-only.
    """
    make_folder(target)
    lock = FolderLock(target)
    try:
        adopt(source, target)
        try:
            shutil.copyfile(source / PLAN, target / PLAN)
            _link(source, Blobs(target))
        except OSError as error:
            raise errors.cannot_write(target, error) from error
    finally:
        lock.release()


def _link(source: Path, blobs: Blobs) -> None:
    """Blobs never change, so one file can serve two runs where the file system allows it."""
    made = set()
    for folder in (source / "outputs").glob("??/"):
        with os.scandir(folder) as found:
            for each in found:
                if not is_digest(each.name) or not each.is_file(follow_symlinks=False):
                    continue
                path = blobs.name(each.name)
                if (place := os.path.dirname(path)) not in made:  # noqa: PTH120 - for thousands
                    os.makedirs(place, exist_ok=True)  # noqa: PTH103
                    made.add(place)
                try:
                    os.link(each.path, path)
                except OSError:
                    shutil.copyfile(each.path, path)


def parse_tolerances(texts: Sequence[str]) -> Tolerances:
    """Tolerances from the command line: `float32:rtol=1e-2,atol=1e-4`.

    Raises:
        UsageProblem: all that is wrong with all of them.
    """
    found: dict[str, Tolerance] = {}
    problems: list[Problem] = []
    for text in texts:
        dtype, _, rest = text.partition(":")
        if dtype not in BITS and dtype != "quantized":
            problems.append(
                errors.bad_tolerance(text, f"{dtype[:40]!r} is no type", suggest(dtype, BITS))
            )
            continue
        one = _tolerance(text, rest)
        if isinstance(one, Problem):
            problems.append(one)
        else:
            found[dtype] = one
    if problems:
        raise UsageProblem(problems)
    return tuple(found.items())


def _tolerance(text: str, forms: str) -> Tolerance | Problem:
    numbers: dict[str, float] = {}
    for part in forms.split(","):
        name, _, number = part.partition("=")
        if name not in _FORMS:
            return errors.bad_tolerance(text, f"{name[:40]!r} is no form", suggest(name, _FORMS))
        try:
            numbers[name] = float(number)
        except ValueError:
            return errors.bad_tolerance(text, f"{number[:40]!r} is no number")
        if not (math.isfinite(numbers[name]) and numbers[name] >= 0):
            return errors.bad_tolerance(text, f"{name} must be finite and not negative")
    absolute = "rtol" in numbers or "atol" in numbers
    if absolute + ("ulp" in numbers) + ("quanta" in numbers) != 1:
        return errors.bad_tolerance(text, "either rtol and atol, or ulp, or quanta, can be given")
    if absolute:
        return Tolerance(rtol=numbers.get("rtol", 0.0), atol=numbers.get("atol", 0.0))
    return Tolerance(ulp=numbers.get("ulp"), quanta=numbers.get("quanta"))
