"""What torch's and TensorFlow's adapters say on machines with other devices, which are played.

Neither keeps a record of where a node ran: on a machine with a GPU they must not claim any place.
"""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from pytest_modelcompat.worker.runtimes import adapter
from pytest_modelcompat.worker.runtimes.tensorflow import Saved
from pytest_modelcompat.worker.runtimes.torch_export import Session as Exported
from pytest_modelcompat.worker.runtimes.torchscript import Session as Scripted


def backend(count: int, name: str = "") -> SimpleNamespace:
    return SimpleNamespace(
        is_available=lambda: count > 0,
        device_count=lambda: count,
        get_device_name=lambda n: f"{name} {n}",
    )


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Torch without another device."""
    made = ModuleType("torch")
    made.__version__ = "2.13.0+cpu"
    made.cuda, made.backends = backend(0), SimpleNamespace()

    def ones(size: int, device: str) -> None:
        if device != "cpu":
            raise RuntimeError(f"no device {device}")

    made.ones = ones
    monkeypatch.setitem(sys.modules, "torch", made)
    monkeypatch.setitem(sys.modules, "torch.export", ModuleType("torch.export"))
    made.export = sys.modules["torch.export"]
    return made


def scripted(own: Any, provider: str) -> Scripted:
    found = Scripted.__new__(Scripted)
    graph = SimpleNamespace(nodes=lambda: iter("abc"))
    found._own, found._provider = own, provider
    found._module = SimpleNamespace(inlined_graph=graph)
    return found


def exported(own: Any, provider: str) -> Exported:
    found = Exported.__new__(Exported)
    nodes = [SimpleNamespace(op="call_function")] * 3 + [SimpleNamespace(op="placeholder")]
    found._own, found._provider = own, provider
    found._program = SimpleNamespace(graph=SimpleNamespace(nodes=nodes))
    return found


@pytest.mark.parametrize("session", [scripted, exported])
def test_torch_without_another_device(torch: ModuleType, session: Any) -> None:
    own = adapter("torchscript", "torch").own
    assert session(own, "cpu").placement() == {"cpu": 3}
    assert session(own, "cuda").placement() is None
    told = own.info("torchscript")
    assert (told["version"], told["providers"], told["devices"]) == ("2.13.0", ["cpu"], ["CPU"])
    assert own.unavailable("cpu") is None
    assert own.unavailable("cuda") == "RuntimeError: no device cuda"


@pytest.mark.parametrize("session", [scripted, exported])
@pytest.mark.parametrize("which", ["cuda", "xpu", "mps", "backends.mps"])
def test_torch_with_another_device_claims_no_place(
    torch: ModuleType, which: str, session: Any
) -> None:
    place = torch.backends if "." in which else torch
    setattr(place, which.rpartition(".")[2], backend(2, "Board"))
    own = adapter("torchscript", "torch").own
    assert not own.cpu_only
    assert session(own, "cpu").placement() is None


def test_devices_have_numbers_and_names(torch: ModuleType) -> None:
    torch.cuda, torch.xpu = backend(2, "Board"), backend(1, "Arc")
    told = adapter("torchscript", "torch").own.info("torchscript")
    assert told["providers"] == ["cpu", "cuda", "cuda:0", "cuda:1", "xpu", "xpu:0"]
    assert told["devices"] == ["CPU", "Board 0", "Board 1", "Arc 0"]


def test_threads_are_torchs_own_for_the_process(torch: ModuleType) -> None:
    told: list[int] = []
    torch.set_num_threads = told.append
    own = adapter("torchscript", "torch").own
    own.threads({})
    own.threads({"threads": "3"})
    assert told == [3]


@pytest.mark.parametrize(
    ("kinds", "provider", "placed"),
    [
        (("CPU",), "cpu", {"cpu": 2}),
        (("CPU", "GPU"), "cpu", None),
        (("CPU", "GPU"), "gpu", None),
        (("CPU",), "gpu", None),
        (("CPU",), "cpu:0", {"cpu:0": 2}),
    ],
)
def test_tensorflow(kinds: tuple[str, ...], provider: str, placed: dict[str, int] | None) -> None:
    devices = [SimpleNamespace(device_type=kind) for kind in kinds]
    found = Saved.__new__(Saved)
    found._tf = SimpleNamespace(config=SimpleNamespace(list_physical_devices=lambda: devices))
    found._provider = provider
    inside = SimpleNamespace(node_def=[SimpleNamespace(op="Relu"), SimpleNamespace(op="Const")])
    library = SimpleNamespace(function=[inside])
    found._function = SimpleNamespace(
        graph=SimpleNamespace(
            get_operations=lambda: [SimpleNamespace(type="MatMul"), SimpleNamespace(type="NoOp")],
            as_graph_def=lambda: SimpleNamespace(library=library),
        )
    )
    assert found.placement() == placed
