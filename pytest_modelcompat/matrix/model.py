"""The matrix after parsing: frozen records and nothing else.

Past `matrix/load.py` nobody sees a raw dictionary. Times are in seconds, sizes in bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

ImageKind = Literal["host", "docker", "nox", "tox", "python", "current", "ssh"]
CheckName = str

__all__ = [
    "Calls",
    "Cell",
    "CheckEntry",
    "Data",
    "Framework",
    "Image",
    "KnownIssue",
    "Limits",
    "Matcher",
    "Matrix",
    "Model",
    "Producer",
    "Removed",
    "Tolerance",
    "VariantOf",
]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a case, a cell and an installation may use."""

    case: float = 30.0
    cell: float = 1800.0
    install: float = 600.0
    memory: int = 4 * 2**30
    threads: int = 1


@dataclass(frozen=True, kw_only=True)
class Framework:
    """One version of one distribution, and the adapter that drives it in the cell."""

    distribution: str
    version: str  # "1.31.1", or "installed"
    runtime: str  # the adapter's name: "onnxruntime", "openvino", "onnx", "backend"
    module: str | None = None  # for runtime "backend": the module of an onnx.backend.base.Backend

    def __str__(self) -> str:
        """The axis value as outputs show it: `onnxruntime==1.31.1`."""
        return f"{self.distribution}=={self.version}"


@dataclass(frozen=True, kw_only=True)
class Image:
    """Where a cell runs: the host, a container image, or an environment that exists already."""

    kind: ImageKind = "host"
    value: str = "host"
    settings: tuple[tuple[str, str], ...] = ()  # of the long form, e.g. ("platform", "linux/arm64")


@dataclass(frozen=True, kw_only=True)
class Matcher:
    """axis -> patterns, any of which must match; all axes must match.

    An axis that a cell does not have never matches. `pytest_modelcompat.matrix.match` applies it.
    """

    patterns: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __bool__(self) -> bool:
        """Whether it asks for anything; an empty matcher matches every cell."""
        return bool(self.patterns)


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far an output may be from its reference: |a - e| <= atol + rtol * |e|, or ulp, or quanta.

    Exactly one of the three forms is set: (rtol, atol), `ulp` (units in the last place of the
    output's type) or `quanta` (steps of the output's own scale).
    """

    rtol: float | None = None
    atol: float | None = None
    ulp: float | None = None
    quanta: float | None = None


# dtype name ("float32", "bfloat16", "int8", ... or "quantized") -> its tolerance
Tolerances = tuple[tuple[str, Tolerance], ...]


@dataclass(frozen=True, kw_only=True)
class Calls:
    """How a data set is given to a model in several calls, whose answers are one again.

    Attributes:
        kind: `batch` (so many rows a call) or `step` (so many steps of a sequence a call).
        size: rows or steps of one call; the last call takes what is left.
        axis: along which inputs are cut and outputs joined.
        axes: tensor -> an axis of its own, or None: an input that every call gets whole, an output
            of which the last call's counts.
        state: input -> the output of one call that it is given in the next.
    """

    kind: Literal["batch", "step"]
    size: int
    axis: int = 0
    axes: tuple[tuple[str, int | None], ...] = ()
    state: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """What follows the data set's name: `batch4`, `step1`."""
        return f"{self.kind}{self.size}"


@dataclass(frozen=True, kw_only=True)
class Data:
    """Inputs of a model, and the outputs expected of it.

    Either `inputs` (an .npz file, with `outputs` and `labels`, the right class of each row,
    optional), or `folder` (test_data_set_N), or
    `random` sets made from `seed` with the symbolic dimensions given in `dims`. Each is given to
    the model whole, and once more in each way of `calls`.
    """

    inputs: Path | None = None
    outputs: Path | None = None
    labels: Path | None = None
    folder: Path | None = None
    random: int = 0
    seed: int = 0
    dims: tuple[tuple[str, int], ...] = ()
    calls: tuple[Calls, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Producer:
    """One setting that makes a model file from a build function.

    Attributes:
        framework: "torch==2.13.0".
        export: "onnx-torchscript".
        opset: one file for each; none: the exporter's own.
        python: as on the axis.
        packages: what the matrix names besides the framework.
        image: where it runs.
        limits: `case` is for making one file.
        needs: of an exporter that a plugin brings.
    """

    framework: str
    export: str
    opset: tuple[str, ...] = ()
    python: str | None = None
    packages: tuple[str, ...] = ()
    image: Image = field(default_factory=Image)
    limits: Limits = field(default_factory=Limits)
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class VariantOf:
    """Which model of the same list this one is a variant of, and how far from it it may be.

    Attributes:
        model: the original's name.
        accuracy_loss: how much lower the share of rows with the right label may be; None: any.
        top1: share of rows whose largest entry has to be the original's; None: any.
        tolerance: how far each output may be from the original's, by type; empty: any.
    """

    model: str
    accuracy_loss: float | None = None
    top1: float | None = None
    tolerance: Tolerances = ()

    @property
    def limited(self) -> bool:
        """Whether being far from the original is a failure."""
        return bool(self.tolerance) or (self.accuracy_loss, self.top1) != (None, None)


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model of a parity check: a file, or a build function and its producers."""

    name: str
    path: Path | None = None
    build: str | None = None  # "models/pointnet2.py::build", the file made absolute
    producers: tuple[Producer, ...] = ()
    data: Data = field(default_factory=lambda: Data(random=1))
    reference: str | None = None  # producer | onnx | cell:ID | consensus | none; None: the default
    tolerance: Tolerances = ()
    when: Matcher = field(default_factory=Matcher)
    libraries: tuple[Path, ...] = ()  # of operators; loaded in the cell only
    library_modules: tuple[str, ...] = ()  # installed in the cell, and know such a library
    variant_of: VariantOf | None = None
    line: int = 0


@dataclass(frozen=True, kw_only=True)
class CheckEntry:
    """One mapping under `checks:`.

    `corpus` and `match` belong to op_support, `models` and `repeats` to parity; `settings` holds
    what a check from another plugin was given, as text.
    """

    check: CheckName
    when: Matcher = field(default_factory=Matcher)
    tolerance: Tolerances = ()
    corpus: tuple[str, ...] = ()  # "onnx==1.18.0"
    match: tuple[str, ...] = ()  # empty: all
    repeats: int = 1
    models: tuple[Model, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    line: int = 0


@dataclass(frozen=True, kw_only=True)
class KnownIssue:
    """A declared, linked, expiring expectation of a failure.

    `match`, `check`, `unit`, `case` select; `stage`, `status`, `message` are what is expected.
    Patterns of `check`, `unit` and `case` are shell patterns; `message` is searched as a regular
    expression.
    """

    id: str
    match: Matcher = field(default_factory=Matcher)
    check: str | None = None
    unit: str | None = None
    case: str | None = None
    stage: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    message: str | None = None
    issue: str | None = None
    reason: str = ""
    expires: str | None = None  # ISO date; the entry excuses nothing after that day (UTC)
    file: Path | None = None
    line: int = 0


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One combination of axis values, with everything the rules made of it.

    Attributes:
        id: slug of the axis values and eight hex digits; derived, never parsed.
        matrix: the matrix's name.
        matrix_file: the file it came from.
        axes: (axis name outside the file, value as text), in the file's order. Always holds
            framework, python, image, provider; and packages.*, env.*, options.* as declared.
        framework: what the framework axis value means.
        python: "3.12", "3.12.1", a path, or "image".
        image: where it runs.
        provider: as requested, in the runtime's own spelling.
        requirements: of the environment, the framework's pin first.
        env: environment variables of the run.
        options: passed to the adapter.
        limits: after every adjust.
        skip: reason, where a rule skips the cell.
        checks: the entries whose `when` matches, models filtered likewise.
        rules: which rule changed the cell, for --compat-plan
            ("adjust[0] (line 12): packages +numpy<2").
    """

    id: str
    matrix: str
    matrix_file: Path
    axes: tuple[tuple[str, str], ...]
    framework: Framework
    python: str
    image: Image
    provider: str
    requirements: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    limits: Limits = field(default_factory=Limits)
    exclude_newer: str | None = None
    skip: str | None = None
    checks: tuple[CheckEntry, ...] = ()
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Removed:
    """A combination that a rule took out, for --compat-plan."""

    axes: tuple[tuple[str, str], ...]
    rule: str  # "exclude[0] (line 20)", "select", "provider X is not one of openvino's"


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """One matrix file, expanded: its cells, what was removed, and its expectations."""

    name: str
    file: Path
    digest: str  # sha256 of the file's bytes and of its known-issue files
    cells: tuple[Cell, ...]
    removed: tuple[Removed, ...] = ()
    known_issues: tuple[KnownIssue, ...] = ()
    on_unsupported: Literal["record", "fail"] = "record"
    notes: tuple[str, ...] = ()  # rules that matched nothing, for --compat-plan
    whole: tuple[str, ...] | None = None  # ids of all cells, where `cells` are those of a shard
    files: tuple[Path, ...] = ()  # read besides its own: known issues, `base`
    python_assumed: bool = False  # a cell may have the Python of whoever loaded the file
