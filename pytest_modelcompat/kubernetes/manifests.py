"""The objects: what each pod is given, what it may do, and what it runs.

A run is three steps, each an object to create when the one before has ended: the plan goes to the
volume (and with it a folder for each cell, which nobody else's pod sees), the cells run, the parts
are merged. A pod that cannot start twice (no retries anywhere) cannot hide a crash; one that never
starts leaves an empty folder, which the merge tells.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from pytest_modelcompat.kubernetes.names import job_name
from pytest_modelcompat.kubernetes.scripts import CELL, INTERRUPT, MERGE, MOVE, PLAN
from pytest_modelcompat.kubernetes.sizes import cell_size, merge_size, plan_size
from pytest_modelcompat.matrix import grammar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_modelcompat.kubernetes.project import Project
    from pytest_modelcompat.kubernetes.sizes import Size
    from pytest_modelcompat.matrix.model import Cell, Matrix

__all__ = ["GRACE", "Target", "cells_objects", "merge_objects", "plan_objects"]

GRACE = 120  # seconds from being told to end until killed: for the report of what there is
ROOT = PurePosixPath("/modelcompat")
_VOLUME, _REPORT, _WORK = ROOT / "volume", ROOT / "report", ROOT / "work"
_MATRIX, _CELLS = ROOT / "matrix", ROOT / "cells"
_TMP = PurePosixPath("/tmp")  # noqa: S108 - the pod's, made for it


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where and how the pods run.

    Attributes:
        run: its name, the folder on the volume and the beginning of every object's name.
        image: of the pods; `{python}` is filled in.
        claim: the volume that all pods share.
        namespace: empty: that of whoever creates the objects.
        select: as `--compat-select`, empty: all cells.
        project: the matrix and its files, where they go along.
        matrix: where the matrix is in the pod otherwise: below the image's root, or the volume's.
        on_volume: which of the two.
        nodes: labels that a node must have.
        secret: each of its values is an environment variable of the run; empty: none.
        pull_secret: for the image; empty: none.
        user: user and group of the pods.
        deadline: seconds; None: as long as the matrix' own limits may need.
    """

    run: str
    image: str
    claim: str
    namespace: str = ""
    select: str = ""
    project: Project | None = None
    matrix: str = ""
    on_volume: bool = False
    nodes: tuple[tuple[str, str], ...] = ()
    secret: str = ""
    pull_secret: str = ""
    user: int = 1000
    deadline: int | None = None

    @property
    def place(self) -> PurePosixPath:
        """The matrix' file in the pod."""
        if self.project is not None:
            return _WORK / "project" / self.project.matrix
        return _VOLUME / self.matrix if self.on_volume else PurePosixPath(self.matrix)


@dataclass(frozen=True, kw_only=True)
class _Pod:
    """What makes the pod of one step unlike the others."""

    name: str
    component: str
    python: str
    script: str
    arguments: list[str]
    mounts: list[dict[str, Any]]
    size: Size
    volumes: list[dict[str, Any]] = field(default_factory=list)
    told: Mapping[str, str] = field(default_factory=dict)
    lifecycle: Mapping[str, Any] = field(default_factory=dict)


def plan_objects(target: Target, matrix: Matrix) -> list[dict[str, Any]]:
    """What is created first: the matrix, the list of cells, the Job that plans."""
    names = [job_name(target.run, cell.id) for cell in matrix.cells]
    objects = []
    if target.project is not None:
        objects.append(_config(target, "matrix", _contents(target.project)))
    objects.append(_config(target, "cells", {"data": {"cells": "".join(f"{n}\n" for n in names)}}))
    pod = _Pod(
        name=f"{target.run}-plan",
        component="plan",
        python=_python(matrix),
        script=_there(target) + PLAN,
        arguments=[
            str(_VOLUME / target.run),
            target.place.name,
            *(["--select", target.select] if target.select else []),
        ],
        mounts=[
            _mount("volume", _VOLUME),
            *_given_mounts(target),
            _mount("cells", _CELLS, readOnly=True),
        ],
        volumes=[*_given(target), {"name": "cells", "configMap": {"name": f"{target.run}-cells"}}],
        size=plan_size(matrix),
    )
    return [*objects, _job(target, pod)]


def cells_objects(target: Target, matrix: Matrix) -> list[dict[str, Any]]:
    """One Job for each cell, in the plan's order."""
    count = len(matrix.cells)
    return [_cell(target, cell, f"{at}/{count}") for at, cell in enumerate(matrix.cells, 1)]


def merge_objects(target: Target, matrix: Matrix) -> list[dict[str, Any]]:
    """The Job that puts the parts together."""
    pod = _Pod(
        name=f"{target.run}-merge",
        component="merge",
        python=_python(matrix),
        script=MERGE,
        arguments=[str(_VOLUME / target.run)],
        mounts=[_mount("volume", _VOLUME)],
        size=merge_size(),
    )
    return [_job(target, pod)]


def _cell(target: Target, cell: Cell, shard: str) -> dict[str, Any]:
    name = job_name(target.run, cell.id)
    matrix = target.place.name
    shared = [_mount("volume", _VOLUME, readOnly=True)] if target.on_volume else []
    pod = _Pod(
        name=name,
        component="cell",
        python=cell.python,
        script=_there(target) + CELL,
        arguments=[
            f"--compat-matrix={matrix}",
            f"--compat-shard={shard}",
            *([f"--compat-select={target.select}"] if target.select else []),
            f"--compat-report={_REPORT}",
            "--compat-jobs=1",
            "-pno:cacheprovider",
            f"{matrix}::{cell.id}",  # another cell under this number is an error and no result
        ],
        mounts=[
            _mount("volume", _REPORT, subPath=f"{target.run}/cells/{name}"),
            *shared,
            *_given_mounts(target),
        ],
        volumes=_given(target),
        size=cell_size(cell),
        told={
            "modelcompat/cell": cell.id,
            "modelcompat/axes": json.dumps(dict(cell.axes)),
            "modelcompat/shard": shard,
        },
        lifecycle={"preStop": {"exec": {"command": ["sh", "-c", INTERRUPT]}}},
    )
    return _job(target, pod)


def _job(target: Target, pod: _Pod) -> dict[str, Any]:
    labels = _labels(target, pod.component)
    size = pod.size
    amounts = {"cpu": str(size.cpus), "memory": f"{size.memory >> 20}Mi", **dict(size.devices)}
    container = {
        "name": pod.component,
        "image": target.image.replace("{python}", pod.python),
        "command": ["sh", "-euc", _literal(pod.script), pod.component],
        "args": [_literal(each) for each in pod.arguments],
        **({"lifecycle": pod.lifecycle} if pod.lifecycle else {}),
        "env": [{"name": key, "value": value} for key, value in _environment().items()],
        **({"envFrom": [{"secretRef": {"name": target.secret}}]} if target.secret else {}),
        "resources": {"requests": amounts, "limits": amounts},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [*pod.mounts, _mount("work", _WORK), _mount("tmp", _TMP)],
    }
    tolerations = [
        {"key": name, "operator": "Exists", "effect": "NoSchedule"} for name, _ in size.devices
    ]
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": {"kubernetes.io/os": "linux", **dict(target.nodes)},
        **({"tolerations": tolerations} if tolerations else {}),
        **({"imagePullSecrets": [{"name": target.pull_secret}]} if target.pull_secret else {}),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": target.user,
            "runAsGroup": target.user,
            "fsGroup": target.user,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "volume", "persistentVolumeClaim": {"claimName": target.claim}},
            *pod.volumes,
            {"name": "work", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(target, pod.name, labels, pod.told),
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "activeDeadlineSeconds": target.deadline or size.seconds,
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def _python(matrix: Matrix) -> str:
    """Of the pods that run no cell: the newest one that is a version."""
    versions = {cell.python for cell in matrix.cells if not grammar.version(cell.python)}
    return max(versions, key=Version, default="")


def _environment() -> dict[str, str]:
    """Places that can be written, and a name for a user that the image does not know."""
    return {
        "HOME": str(_WORK),
        "USER": "modelcompat",
        "MODELCOMPAT_CACHE": str(_WORK / "cache"),
    }


def _labels(target: Target, component: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "modelcompat",
        "app.kubernetes.io/instance": target.run,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/managed-by": "modelcompat",
    }


def _metadata(
    target: Target, name: str, labels: Mapping[str, str], told: Mapping[str, str]
) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name}
    if target.namespace:
        made["namespace"] = target.namespace
    made["labels"] = dict(labels)
    if told:
        made["annotations"] = dict(told)
    return made


def _config(target: Target, what: str, contents: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(target, f"{target.run}-{what}", _labels(target, what), {}),
        "immutable": True,
        **contents,
    }


def _contents(project: Project) -> dict[str, dict[str, str]]:
    """Texts as texts, the rest as base64; a file's key is its number."""
    data, binary = {}, {}
    for key, (_, content) in _keyed(project):
        try:
            text = content.decode()
        except UnicodeDecodeError:
            text = "\0"
        if text.isprintable() or all(c.isprintable() or c == "\n" for c in text):
            data[key] = text
        else:
            binary[key] = base64.b64encode(content).decode()
    found = {"data": data, "binaryData": binary}
    return {name: values for name, values in found.items() if values}


def _keyed(project: Project) -> list[tuple[str, tuple[str, bytes]]]:
    return [(f"file-{n}", each) for n, each in enumerate(project.files)]


def _given(target: Target) -> list[dict[str, Any]]:
    """The volume with the matrix' files, each at its place."""
    if target.project is None:
        return []
    items = [{"key": key, "path": f"project/{name}"} for key, (name, _) in _keyed(target.project)]
    return [{"name": "matrix", "configMap": {"name": f"{target.run}-matrix", "items": items}}]


def _given_mounts(target: Target) -> list[dict[str, Any]]:
    return [_mount("matrix", _MATRIX, readOnly=True)] if target.project is not None else []


def _mount(name: str, path: PurePosixPath, **more: Any) -> dict[str, Any]:
    return {"name": name, "mountPath": str(path), **more}


def _literal(text: str) -> str:
    """A word of a command as it is written so that no kubelet puts a variable into it.

    `$(NAME)` is filled in and `$$` becomes `$` before a shell sees either.
    """
    return re.sub(r"\$(?=[$(])", "$$", text)


def _there(target: Target) -> str:
    """How a script begins: in the matrix' folder."""
    move = MOVE if target.project is not None else ""
    return f"{move}cd {shlex.quote(str(target.place.parent))}\n"
