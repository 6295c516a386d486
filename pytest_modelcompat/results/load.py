"""Reading a stored run: the folder that a run, or somebody else, left behind.

Nothing in it is trusted: links and devices are not followed, sizes are bounded, every record is
checked, and what is wrong is said in a sentence (`StoredRunProblem`), never a traceback. Nothing
is executed or unpickled.
"""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections import Counter
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import IO, TYPE_CHECKING, Any

from pytest_modelcompat.errors import results as errors
from pytest_modelcompat.results import case_ranges, compared, stored, upgrade
from pytest_modelcompat.results.blobs import Blobs, is_digest
from pytest_modelcompat.results.files import open_plain
from pytest_modelcompat.results.folder import STORE
from pytest_modelcompat.results.info import RunInfo
from pytest_modelcompat.results.plan_file import PLAN
from pytest_modelcompat.results.write import CASES, LOCKS, RUN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_modelcompat.results.case_ranges import CaseRange
    from pytest_modelcompat.results.compared import Compared
    from pytest_modelcompat.results.frames import Frames
    from pytest_modelcompat.results.stored import StoredCase, StoredCell, StoredEnvironment

__all__ = ["Run", "load", "read_json"]

_MOST_JSON = 512 * 2**20  # bytes of run.json or plan.json
_MOST_LINE = 16 * 2**20  # bytes of one case
_MOST_LOCK = 64 * 2**20


class Run:
    """A stored run.

    Attributes:
        folder: where it is.
        schema: the version that it was stored with.
        info: the head of run.json.
        cells: in the plan's order.
        environments: by id.
        ranges: where cases change along an ordered axis; runs of early releases have none.
        variants: models beside those that they are variants of.
    """

    def __init__(self, folder: Path, data: dict[str, Any], schema: int) -> None:
        path = folder / RUN
        self.folder = folder
        self.schema = schema
        self.info = _info(path, data.get("run"))
        self.environments: dict[str, StoredEnvironment] = {}
        self.cells: tuple[StoredCell, ...] = ()
        self.ranges: tuple[CaseRange, ...] = ()
        self.variants: tuple[Compared, ...] = ()
        try:
            for each in _list(data, "environments"):
                environment = stored.environment(each)
                self.environments[environment.id] = environment
            self.cells = tuple(stored.cell(each) for each in _list(data, "cells"))
            found = _list(data, "ranges") if "ranges" in data else []
            self.ranges = tuple(case_ranges.read(each) for each in found)
            beside = _list(data, "variants") if "variants" in data else []
            self.variants = tuple(compared.read(each) for each in beside)
        except ValueError as error:
            raise errors.stored_bad(path, str(error)) from error
        if len({each.id for each in self.cells}) != len(self.cells):
            raise errors.stored_bad(path, "two cells have the same id")

    def cell(self, identity: str) -> StoredCell:
        """The cell with this id.

        Raises:
            UsageProblem: there is none.
        """
        for each in self.cells:
            if each.id == identity:
                return each
        raise errors.no_such_cell(identity, (each.id for each in self.cells))

    def cases(self, cell: str | None = None) -> Iterator[StoredCase]:
        """The cases, one at a time, in the file's order.

        Args:
            cell: only those of this cell.

        Raises:
            StoredRunProblem: the file is cut off, edited, or does not fit run.json.
        """
        path = self.folder / CASES
        planned = Counter({
            (each.id, status): number
            for each in self.cells
            for status, number in each.counts.items()
        })  # fmt: skip
        step = upgrade.step(self.schema, upgrade.CASE_STEPS)
        number = 0
        try:
            with open_plain(path) as packed, gzip.GzipFile(fileobj=packed) as file:
                for line in _lines(file):
                    number += 1
                    record = None if step else stored.quick(line)
                    if record is None:
                        data = _decoded(line)
                        record = stored.case(step(data) if step else data)
                    _count_off(planned, record)
                    if cell is None or record.cell == cell:
                        yield record
        except FileNotFoundError as error:
            raise errors.stored_bad(path, "it is missing") from error
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise errors.stored_bad(path, "it is cut off or changed", line=number) from error
        except OSError as error:
            raise errors.stored_bad(path, f"it cannot be read ({error.strerror})") from error
        except (ValueError, RecursionError) as error:
            raise errors.stored_bad(path, _words(error), line=number) from error
        missing = planned.total()
        if missing:
            raise errors.stored_bad(path, f"{missing} cases that run.json counts are missing")

    @cached_property
    def plan(self) -> dict[str, Any]:
        """plan.json as it is, read when it is first asked for.

        Raises:
            StoredRunProblem: missing or damaged.
        """
        path = self.folder / PLAN
        try:
            with open_plain(path) as file:
                data = _json(path, file)
        except FileNotFoundError as error:
            raise errors.stored_bad(path, "it is missing") from error
        _schema(path, data)
        return data

    def packages(self, cell: StoredCell) -> tuple[str, ...]:
        """`name==version` of everything in the cell's environment; empty where unknown."""
        environment = self.environments.get(cell.environment.get("id", ""))
        return () if environment is None else environment.packages

    def lock(self, digest: str) -> str:
        """The text of a lock.

        Raises:
            StoredRunProblem: missing, too large, or no digest.
        """
        if not is_digest(digest):
            raise errors.bad_digest(digest)
        path = self.folder / LOCKS / f"{digest}.txt"
        try:
            with open_plain(path) as file:
                data = file.read(_MOST_LOCK + 1)
        except FileNotFoundError as error:
            raise errors.stored_bad(path, "it is missing") from error
        if len(data) > _MOST_LOCK:
            raise errors.stored_bad(path, "it is too large for a lock")
        return data.decode("utf-8", "replace")

    def blob(self, digest: str) -> bytes:
        """Stored raw outputs, verified; see `Blobs.get`."""
        return Blobs(self.folder).get(digest)

    def frames(self) -> Frames:
        """The run as tidy pandas frames.

        Raises:
            UsageProblem: pandas is not installed.
        """
        from pytest_modelcompat.results.frames import frames  # noqa: PLC0415 - pandas is optional

        return frames(self.cells, self.cases())


def load(folder: Path | str) -> Run:
    """Open a stored run of this or any older schema.

    Args:
        folder: what was given to --compat-report.

    Returns:
        The run; its cases are read when they are iterated over.

    Raises:
        StoredRunProblem: there is none, it is damaged, or newer than this release.
    """
    folder = Path(folder)
    path = folder / RUN
    if folder.is_file():
        raise errors.no_stored_run(folder, unfinished=False)
    try:
        with open_plain(path) as file:
            data = _json(path, file)
    except FileNotFoundError as error:
        raise errors.no_stored_run(folder, unfinished=(folder / STORE).exists()) from error
    schema = _schema(path, data)
    step = upgrade.step(schema, upgrade.RUN_STEPS)
    return Run(folder, step(data) if step else data, schema)


def read_json(path: Path, newest: int) -> dict[str, Any] | None:
    """A JSON file of ours beside run.json, bounded and checked.

    Args:
        path: the file.
        newest: the newest `schema` of it that this release knows.

    Returns:
        Its mapping, or None where there is no such file.

    Raises:
        StoredRunProblem: damaged, no regular file, or newer than this release.
    """
    try:
        with open_plain(path) as file:
            data = _json(path, file)
    except FileNotFoundError:
        return None
    schema = data.get("schema")
    if type(schema) is not int or schema < 1:
        raise errors.stored_bad(path, "`schema` is not a version that ever was")
    if schema > newest:
        raise errors.stored_newer(path, schema, newest)
    return data


def _count_off(planned: Counter[tuple[str, str]], record: StoredCase) -> None:
    """Every case must be one that run.json counts; so a file that never ends is found out too."""
    key = (record.cell, record.status.value)
    planned[key] -= 1
    if planned[key] < 0:
        raise ValueError(
            f"run.json counts fewer cases of {record.cell[:80]!r} that are {record.status.value}"
        )


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")


_decode = json.JSONDecoder(parse_constant=_constant).decode


def _lines(file: gzip.GzipFile) -> Iterator[bytes]:
    while line := file.readline(_MOST_LINE + 1):
        if len(line) > _MOST_LINE:
            raise ValueError(f"a line is longer than {_MOST_LINE} bytes")
        yield line


def _decoded(text: bytes) -> Any:
    data = _decode(text.decode())
    # Only an escape can bring a lone surrogate into what was valid UTF-8.
    return stored.clean(data) if b"\\ud" in text or b"\\uD" in text else data


def _json(path: Path, file: IO[bytes]) -> dict[str, Any]:
    text = file.read(_MOST_JSON + 1)
    if len(text) > _MOST_JSON:
        raise errors.stored_bad(path, f"it is larger than {_MOST_JSON} bytes")
    try:
        data = _decoded(text)
    except (ValueError, RecursionError) as error:
        raise errors.stored_bad(path, _words(error)) from error
    if type(data) is not dict:
        raise errors.stored_bad(path, "it is not a mapping")
    return data


def _words(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON ({error.msg} at character {error.pos})"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return str(error)[:300]


def _schema(path: Path, data: dict[str, Any]) -> int:
    schema = data.get("schema")
    if type(schema) is not int or schema < upgrade.OLDEST:
        raise errors.stored_bad(path, "`schema` is not a version that ever was")
    if schema > upgrade.SCHEMA:
        raise errors.stored_newer(path, schema, upgrade.SCHEMA)
    return schema


def _list(data: dict[str, Any], name: str) -> list[Any]:
    value = data.get(name)
    if type(value) is not list:
        raise ValueError(f"`{name}` is not a list")
    return value


def _info(path: Path, data: Any) -> RunInfo:
    if type(data) is not dict:
        raise errors.stored_bad(path, "`run` is not a mapping")
    types: dict[str, type] = {
        "tool": dict, "host": dict, "issues": dict, "matrices": list, "notes": list,
        "shard": dict, "known": list, "parts": list, "variant_of": list,
    }  # fmt: skip
    values: dict[str, Any] = {"id": "", "started": ""}
    for each in fields(RunInfo):
        value: Any = data.get(each.name)
        if value is None:
            continue
        wanted = types.get(each.name, str)
        if type(value) is not wanted:
            raise errors.stored_bad(path, f"`run.{each.name}` has the wrong type")
        values[each.name] = tuple(value) if isinstance(value, list) else value
    flat: list[Any] = [*values.get("notes", ()), *values.get("issues", {}).values()]
    flat += values.get("tool", {}).values()
    for one in (*values.get("matrices", ()), *values.get("parts", ())):
        flat += one.values() if type(one) is dict else [None]
    if not all(type(each) is str for each in flat):
        raise errors.stored_bad(path, "`run` holds something that is not text")
    for name in ("known", "variant_of"):
        if not all(type(each) is dict for each in values.get(name, ())):
            raise errors.stored_bad(path, f"`run.{name}` holds something that is not a mapping")
    return RunInfo(**values)


class _Callable(ModuleType):
    """`results.load` is this module's name and its function's: either way, one can call it."""

    def __call__(self, folder: Path | str) -> Run:
        """See `load`."""
        return load(folder)


sys.modules[__name__].__class__ = _Callable
