"""What the cache holds of a model that its producer made: under which key, and read back.

`produced/KEY/` holds what `worker/produce.py` left: the model's files, its data sets with the
framework's own answers, and what is known about them. A folder that is not whole is none.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.results.model import Measurement, Stage
from pytest_modelcompat.worker.bundle import Bundle

if TYPE_CHECKING:
    from pytest_modelcompat.environments.protocol import Prepared
    from pytest_modelcompat.runner.plan import Making

__all__ = [
    "FILES",
    "RESULT",
    "Made",
    "key_of",
    "place_of",
    "plain",
    "read_made",
    "read_result",
    "unusable",
]

RESULT = "result.json"
"""What is known of a model, and why there is none."""
FILES = "model"
"""The folder of the model's files."""
_DATA = "data.bundle"
_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Made:
    """What became of one setting.

    Attributes:
        key: digest of everything that decides it.
        failure: why there is no model; None: there is one.
        bundle: its data sets with the producer's answers.
        files: (name in the cell, path).
        main: sha256 of the file that is loaded, or of all files where it is a folder.
        info: versions of what made it.
        seconds: by stage, of the process that made it.
        accuracy: of the producer's own answers, by data set.
    """

    key: str
    failure: Measurement | None = None
    bundle: Path | None = None
    files: tuple[tuple[str, Path], ...] = ()
    main: str = ""
    info: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    accuracy: tuple[float, ...] = ()


def key_of(
    making: Making, data: Path, prepared: Prepared, *, worker: Path, exporter: Path | None
) -> str:
    """The digest of everything that decides what a setting gives.

    Args:
        making: the setting.
        data: bundle of its data sets, which has its content's name.
        prepared: the producer's environment.
        worker: our own code, likewise.
        exporter: the file of an exporter that the worker does not have.
    """
    file, _, function = making.build.rpartition("::")
    parts = [
        _FORMAT, _digest([Path(file)]), function, making.producer.framework,
        making.producer.export, making.opset, data.name, prepared.lock.digest,
        prepared.python_version, prepared.image_digest, worker.name,
    ]  # fmt: skip
    if exporter is not None:
        parts.append(_digest([exporter]))
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def place_of(key: str) -> str:
    """The folder of a model's files in a cell."""
    return f"produced-{key[:16]}"


def read_made(folder: Path, key: str, data: Path) -> Made | None:
    """What a folder of the cache holds; None where that is nothing whole.

    Args:
        folder: of this key.
        key: see `key_of`.
        data: bundle of the data sets that were planned.
    """
    result = read_result(folder)
    if "failure" not in result:
        return None
    try:
        if result["failure"] is not None:
            return Made(key=key, failure=_failed(result["failure"]), info=_info(result))
        if unusable(folder, data):
            return None
        inside = _files(folder / FILES)
        main = [path for name, path in inside if name == str(result["main"])]
        return Made(
            key=key,
            bundle=folder / _DATA,
            files=tuple((f"{place_of(key)}/{name}", path) for name, path in inside),
            main=_digest(main or [path for _, path in inside]),
            info=_info(result),
            seconds={str(k): float(v) for k, v in result["seconds"].items()},
            accuracy=tuple(float(each) for each in result["accuracy"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OSError):
        return None


def read_result(folder: Path) -> dict[str, Any]:
    """What a job has said of itself; nothing where it said nothing."""
    try:
        found = json.loads((folder / RESULT).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def plain(failure: Measurement) -> dict[str, Any]:
    """A failure as `RESULT` holds it."""
    return {"stage": failure.stage.value, "ended": failure.ended, "error": failure.error}


def _failed(raw: dict[str, Any]) -> Measurement:
    return Measurement(stage=Stage(raw["stage"]), ended=str(raw["ended"]), error=dict(raw["error"]))


def unusable(folder: Path, data: Path) -> str:
    """What is wrong with the files that a job has left, empty for nothing."""
    try:
        found, planned = Bundle.open(folder / _DATA), Bundle.open(data)
    except (OSError, ValueError) as problem:
        return f"{_DATA}: {problem}"
    if len(found) < len(planned):
        return f"{len(found)} data sets of {len(planned)}"
    if not _files(folder / FILES):
        return "no file"
    return ""


def _files(folder: Path) -> list[tuple[str, Path]]:
    """(name, path) of the files below a folder."""
    found = []
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(place) / name
            found.append((path.relative_to(folder).as_posix(), path))
    return found


def _digest(files: list[Path]) -> str:
    """Of the content of files, one behind the other."""
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                whole.update(piece)
    return whole.hexdigest()


def _info(result: dict[str, Any]) -> dict[str, str]:
    found = result.get("info")
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}
