"""The defaults of a matrix, read once from `defaults.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modelcompat.matrix.limits import parse_limits
from pytest_modelcompat.matrix.model import Limits
from pytest_modelcompat.matrix.reading import Reader
from pytest_modelcompat.matrix.tolerance import parse_tolerances
from pytest_modelcompat.matrix.yaml_nodes import MapNode, Problems, parse, read_bytes

if TYPE_CHECKING:
    from pytest_modelcompat.matrix.model import Tolerances

__all__ = ["Defaults", "defaults"]

_FILE = Path(__file__).with_name("defaults.yaml")
_KEYS = (
    "limits", "tolerance", "corpus", "distributions", "providers", "other_provider",
    "image_settings", "devices", "max_cells", "exports", "export_adjust", "export_limits",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What holds where a matrix is silent.

    Attributes:
        limits: of every cell.
        tolerances: per type; types that are not named are compared exactly.
        corpus: of op_support.
        distributions: distribution -> runtime adapter.
        providers: adapter -> provider patterns, its default first.
        other_provider: default provider of adapters that are not named in `providers`.
        image_settings: kind of image -> setting -> "text" or "path".
        devices: provider pattern -> resource of a cluster that has its devices.
        max_cells: cells that one matrix may have.
        exports: export -> what it needs besides the framework.
        export_adjust: framework with specifier -> requirements that its releases do not say.
        export_limits: of one export.
    """

    limits: Limits
    tolerances: Tolerances
    corpus: tuple[str, ...]
    distributions: dict[str, str]
    providers: dict[str, tuple[str, ...]]
    other_provider: str
    image_settings: dict[str, dict[str, str]]
    devices: dict[str, str]
    max_cells: int
    exports: dict[str, tuple[str, ...]]
    export_adjust: dict[str, tuple[str, ...]]
    export_limits: Limits

    def default_provider(self, runtime: str) -> str:
        """What a runtime is asked for where the matrix names no provider."""
        known = self.providers.get(runtime)
        return known[0] if known else self.other_provider

    def device(self, provider: str) -> str | None:
        """The resource of a cluster that a provider's device is one of; None: none is known."""
        found = (name for each, name in self.devices.items() if fnmatchcase(provider, each))
        return next(found, None)

    def knows_provider(self, runtime: str, provider: str) -> bool:
        """Whether a runtime's adapter knows a provider of this name."""
        known = self.providers.get(runtime, (self.other_provider,))
        return any(fnmatchcase(provider, pattern) for pattern in known)


@lru_cache(maxsize=1)
def defaults() -> Defaults:
    """The defaults.

    Raises:
        UsageProblem: the installed file is damaged.
    """
    problems = Problems(_FILE)
    reader = Reader(problems)
    data = read_bytes(_FILE, problems, "defaults")
    root = parse(data, problems, "defaults") if data is not None else None
    problems.settle()
    assert root is not None
    fields = reader.fields(root, "defaults.yaml", _KEYS, "limits: {case: 30s}")

    def table(name: str) -> dict[str, MapNode]:
        entries = reader.entries(fields[name], name, "")
        return {key.value: value for key, value in entries if isinstance(value, MapNode)}

    def lists(name: str) -> dict[str, tuple[str, ...]]:
        entries = reader.entries(fields[name], name, "")
        return {key.value: reader.texts(value, key.value, "") for key, value in entries}

    found = Defaults(
        limits=parse_limits(reader, fields["limits"], Limits()),
        tolerances=parse_tolerances(reader, fields["tolerance"]),
        corpus=reader.texts(fields["corpus"], "corpus", ""),
        distributions=dict(reader.settings(fields["distributions"], "", lambda _: None, "")),
        providers=lists("providers"),
        other_provider=reader.text(fields["other_provider"], "other_provider") or "",
        image_settings={
            kind: dict(reader.settings(value, kind, lambda _: None, ""))
            for kind, value in table("image_settings").items()
        },
        devices=dict(reader.settings(fields["devices"], "", lambda _: None, "")),
        max_cells=reader.integer(fields["max_cells"], "max_cells", 1, 10**9) or 0,
        exports=lists("exports"),
        export_adjust=lists("export_adjust"),
        export_limits=parse_limits(reader, fields["export_limits"], Limits()),
    )
    problems.settle()
    return found
