"""What the adapter uses of the vendor's module, as documented, over the reference evaluator.

Names, arguments and answers are those of TensorRT 10; memory on the device is a dictionary. It is
strict where the vendor's module is: an address for every tensor, sizes within the profile.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

MEMORY: dict[int, Any] = {}


class Cuda:
    """One device with a dictionary for memory."""

    count = 1

    def devices(self) -> int:
        return self.count

    def choose(self, number: int) -> None:
        assert number < self.count

    def allocate(self, size: int) -> int:
        address = 4096 + len(MEMORY)
        while address in MEMORY:
            address += 1
        MEMORY[address] = bytearray(size)
        return address

    def free(self, address: int) -> None:
        del MEMORY[address]

    def send(self, address: int, array: np.ndarray) -> None:
        assert len(MEMORY[address]) == array.nbytes
        MEMORY[address][:] = array.tobytes()

    def fetch(self, array: np.ndarray, address: int) -> None:
        array[...] = np.frombuffer(bytes(MEMORY[address]), array.dtype).reshape(array.shape)

    def wait(self) -> None:
        pass


class Tensor:
    def __init__(self, info: Any) -> None:
        self.name = info.name
        dims = info.type.tensor_type.shape.dim
        self.shape = tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in dims)
        self.dtype = onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)


class Network:
    model: Any = None

    @property
    def num_inputs(self) -> int:
        return len(self.model.graph.input)

    def get_input(self, n: int) -> Tensor:
        return Tensor(self.model.graph.input[n])


class Config:
    def __init__(self) -> None:
        self.flags: set[str] = set()
        self.profiles: list[Any] = []
        self.builder_optimization_level = 3
        self.limits: dict[str, int] = {}

    def set_flag(self, flag: str) -> None:
        self.flags.add(flag)

    def set_memory_pool_limit(self, pool: str, size: int) -> None:
        self.limits[pool] = size

    def add_optimization_profile(self, profile: Any) -> int:
        self.profiles.append(profile)
        return 0


class Profile(dict[str, Any]):
    def set_shape(self, name: str, least: Any, best: Any, most: Any) -> None:
        assert tuple(least) <= tuple(best) <= tuple(most)
        self[name] = tuple(most)


class Builder:
    configs: list[Config] = []  # noqa: RUF012 - looked at by the tests

    def __init__(self, logger: Any) -> None:
        self.logger = logger

    def create_network(self, flags: int) -> Network:
        assert flags == 0, "there is no EXPLICIT_BATCH in 10"
        return Network()

    def create_builder_config(self) -> Config:
        self.configs.append(Config())
        return self.configs[-1]

    def create_optimization_profile(self) -> Profile:
        return Profile()

    def build_serialized_network(self, network: Network, config: Config) -> bytes | None:
        opened = [
            each for n in range(network.num_inputs) if -1 in (each := network.get_input(n)).shape
        ]
        if opened and not config.profiles:
            return None
        return b"ftrt" + network.model.SerializeToString()


class OnnxParser:
    def __init__(self, network: Network, logger: Any) -> None:
        self.network, self.errors = network, []

    num_errors = property(lambda self: len(self.errors))

    def get_error(self, n: int) -> str:
        return self.errors[n]

    def parse(self, data: bytes) -> bool:
        try:
            self.network.model = onnx.load_model_from_string(data)
            ReferenceEvaluator(self.network.model)
        except Exception as error:  # noqa: BLE001 - the parser answers, it does not raise
            self.errors.append(f"In node -1 with name:  and operator:  (importModel): {error}")
            return False
        return True

    def parse_from_file(self, path: str) -> bool:
        self.network.model = onnx.load(path)
        return self.parse(self.network.model.SerializeToString())


class Context:
    def __init__(self, engine: Engine) -> None:
        self.engine, self.addresses, self.shapes = engine, {}, {}

    def set_input_shape(self, name: str, shape: Any) -> bool:
        declared = self.engine.get_tensor_shape(name)
        if len(declared) != len(shape) or any(
            d not in {-1, s} for d, s in zip(declared, shape, strict=True)
        ):
            return False
        self.shapes[name] = tuple(shape)
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def _answers(self) -> dict[str, Any]:
        feeds = {
            name: np.frombuffer(
                bytes(MEMORY[self.addresses[name]]), self.engine.get_tensor_dtype(name)
            ).reshape(shape)
            for name, shape in self.shapes.items()
        }
        names = [each.name for each in self.engine.outputs]
        return dict(zip(names, ReferenceEvaluator(self.engine.model).run(None, feeds), strict=True))

    def get_tensor_shape(self, name: str) -> Any:
        return self.shapes.get(name) or self._answers()[name].shape

    def execute_async_v3(self, stream: int) -> bool:
        for name, array in self._answers().items():
            MEMORY[self.addresses[name]][:] = array.tobytes()
        return True


class Engine:
    def __init__(self, data: bytes) -> None:
        self.model = onnx.load_model_from_string(data[4:])
        self.inputs = [Tensor(each) for each in self.model.graph.input]
        self.outputs = [Tensor(each) for each in self.model.graph.output]
        self.every = {each.name: each for each in self.inputs + self.outputs}
        self.num_layers = len(self.model.graph.node)
        self.num_io_tensors = len(self.every)

    def get_tensor_name(self, n: int) -> str:
        return list(self.every)[n]

    def get_tensor_mode(self, name: str) -> str:
        return "in" if name in [each.name for each in self.inputs] else "out"

    def get_tensor_dtype(self, name: str) -> Any:
        return self.every[name].dtype

    def get_tensor_shape(self, name: str) -> Any:
        return self.every[name].shape

    def create_execution_context(self) -> Context:
        return Context(self)


class Runtime:
    def __init__(self, logger: Any) -> None:
        pass

    def deserialize_cuda_engine(self, data: bytes) -> Engine | None:
        return Engine(data) if data.startswith(b"ftrt") else None


def module() -> ModuleType:
    """The module `tensorrt`."""
    made: Any = ModuleType("tensorrt")

    class Logger:
        ERROR = 1

        def __init__(self, severity: int) -> None:
            self.severity = severity

    made.__version__ = "10.0.1"
    made.Logger, made.Builder, made.OnnxParser, made.Runtime = Logger, Builder, OnnxParser, Runtime
    made.NetworkDefinitionCreationFlag = type("Flag", (), {})
    made.BuilderFlag = type("BuilderFlag", (), {"FP16": "fp16"})
    made.MemoryPoolType = type("MemoryPoolType", (), {"WORKSPACE": "workspace"})
    made.TensorIOMode = type("TensorIOMode", (), {"INPUT": "in", "OUTPUT": "out"})
    made.nptype = lambda kind: kind
    return made
