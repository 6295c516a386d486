"""What a worker is told: the order for a session, and the environment of its process."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.paths import on_disk
from pytest_modelcompat.results import attribution
from pytest_modelcompat.results.placement import BASE
from pytest_modelcompat.worker.protocol import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_modelcompat.environments.protocol import EnvironmentSpec
    from pytest_modelcompat.matrix.model import Cell, Producer
    from pytest_modelcompat.runner.plan import PlannedCell

__all__ = [
    "CaseOrder",
    "Order",
    "cell_environment",
    "observed",
    "on_host",
    "order_for",
    "place_adapter",
    "place_files",
    "process_environment",
]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a worker is to do, apart from the cases. Paths are as seen in the cell.

    Attributes:
        runtime, distribution, module: which adapter.
        provider: asked for.
        options: of the adapter.
        case: seconds for one case.
        memory: bytes of address space, or None where something else limits it.
        threads: told to the adapter, unless its options say otherwise.
        bundles: files that hold the cases.
        files_root: folder of the models that are files of their own.
        path: folders in which modules can be found.
        variants: name -> {"provider", "options"} with which a case of that variant runs.
        import_seconds, exit_seconds: for the framework's import and the interpreter's exit.
    """

    runtime: str
    distribution: str
    provider: str
    module: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    case: float = 30.0
    memory: int | None = None
    threads: int | None = None
    bundles: tuple[Path, ...] = ()
    files_root: Path | None = None
    path: tuple[Path, ...] = ()
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    import_seconds: float | None = None
    exit_seconds: float | None = None

    def message(self) -> dict[str, Any]:
        """As the worker reads it."""
        return {
            "type": "order",
            "protocol": PROTOCOL,
            "runtime": self.runtime,
            "distribution": self.distribution,
            "module": self.module,
            "provider": self.provider,
            "options": dict(self.options),
            "limits": {
                "case": self.case,
                "memory": self.memory,
                "threads": self.threads,
                "import": self.import_seconds,
                "exit": self.exit_seconds,
            },
            "bundles": [str(path) for path in self.bundles],
            "files_root": None if self.files_root is None else str(self.files_root),
            "path": [str(path) for path in self.path],
        }


@dataclass(frozen=True, kw_only=True)
class CaseOrder:
    """One measurement: case `index` of bundle number `bundle`; n and variant name the answer.

    `whole` gives the data set in one call, whatever the case says: references are made like that.
    """

    n: int
    bundle: int
    index: int
    repeats: int = 1
    variant: str | None = None
    whole: bool = False


_ADAPTER = "modelcompat_adapter_"  # what a module's name begins with: no package has that name
_INHERITED = (
    "PATH", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
)  # fmt: skip
_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
)  # fmt: skip
_PIECE = 2**30  # bytes copied by one call
_IMPORT = 300.0  # seconds for a framework's import
# Their drivers reserve address space far beyond what they use.
_RESERVING = ("CUDA", "Tensorrt", "TensorRT", "ROCM", "MIGraphX", "GPU", "cuda")


def on_host(cell: Cell | Producer | EnvironmentSpec) -> bool:
    """Whether its process is one of this machine, with this machine's files."""
    return cell.image.kind not in ("docker", "ssh")


def place_files(planned: PlannedCell, folder: Path) -> Path | None:
    """Put the models that are files of their own into a folder; None where there are none."""
    found = None
    for workload in planned.workloads:
        for name, path in workload.models:
            found = folder / "files"
            target = found / on_disk(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(path, target)
    return found


def _copy(source: Path, target: Path) -> None:
    """A file of the cell's own, whose blocks the file system shares where it can.

    A hard link would be the same file: a model that writes to it would write into the user's, and
    the worker refuses files that have other names (see worker/confine.py).
    """
    # Refused across file systems of some kernels, and by some; a plain copy serves everywhere.
    with suppress(OSError), source.open("rb") as there, target.open("xb") as here:
        while os.copy_file_range(there.fileno(), here.fileno(), _PIECE):
            pass
        if here.seek(0, os.SEEK_END) == os.fstat(there.fileno()).st_size:
            return
    shutil.copyfile(source, target)


def place_adapter(file: Path, name: str, folder: Path) -> Path:
    """Put an adapter of another plugin into a folder of its own, for its module alone to be found.

    Args:
        file: the adapter, or exporter.
        name: of its runtime, or export.
        folder: of the process, which holds none yet.

    Returns:
        The module's file.
    """
    target = folder / "adapter" / f"{_ADAPTER}{name.replace('-', '_')}.py"
    target.parent.mkdir()
    shutil.copyfile(file, target)
    return target


def cell_environment(cell: Cell, *, scratch: Path) -> dict[str, str]:
    """The environment variables of a cell's process; secrets of the user's are not among them.

    Args:
        cell: whose own variables come last.
        scratch: its home and temporary folder.
    """
    return {**process_environment(cell, scratch, cell.limits.threads), **dict(cell.env)}


def process_environment(
    where: Cell | Producer | EnvironmentSpec, scratch: Path, threads: int
) -> dict[str, str]:
    """The environment variables of any process that holds a framework.

    Args:
        where: it runs.
        scratch: its home and temporary folder.
        threads: that native code may use.
    """
    # Other places have their own PATH, and no business with this machine's, nor its files.
    here = on_host(where)
    names = _INHERITED if here else ()
    inherited = {name: os.environ[name] for name in names if name in os.environ}
    own = {"HOME": str(scratch), "TMPDIR": str(scratch), "LANG": "C.UTF-8"}
    watched = observed() if here else {}
    return {**inherited, **own, **dict.fromkeys(_THREADS, str(threads)), **watched}


def observed() -> dict[str, str]:
    """The variable by which this project's tests measure the worker's coverage, where it is set.

    It names a file of this machine: only what runs here may be told.
    """
    name = "MODELCOMPAT_COVERAGE"
    return {name: os.environ[name]} if name in os.environ else {}


def order_for(
    cell: Cell,
    *,
    bundles: tuple[Path, ...],
    root: Path | None,
    slowdown: float = 1.0,
    adapter: Path | None = None,
) -> Order:
    """The order for a cell.

    Args:
        cell: what is asked for.
        bundles: of all its workloads, in order, as seen in the cell.
        root: folder of the models that are files of their own, likewise.
        slowdown: stretches the time limits.
        adapter: module of an adapter that the worker does not have, as seen in the cell.
    """
    framework = cell.framework
    reserves = any(word in cell.provider for word in _RESERVING)
    base = min(BASE.get(framework.runtime, ("cpu",)))
    return Order(
        runtime=framework.runtime if adapter is None else f"module:{adapter.stem}",
        distribution=framework.distribution,
        module=framework.module,
        path=() if adapter is None else (adapter.parent,),
        provider=cell.provider,
        options=dict(cell.options),
        case=cell.limits.case * slowdown,
        memory=None if cell.image.kind == "docker" or reserves else cell.limits.memory,
        threads=cell.limits.threads,
        bundles=bundles,
        files_root=root,
        import_seconds=_IMPORT * slowdown,
        variants={
            attribution.OPTIMIZER_OFF: {"options": {"graph_optimization": "disabled"}},
            attribution.CPU: {"provider": base},
        },
    )
