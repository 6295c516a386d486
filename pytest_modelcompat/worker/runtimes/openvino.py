"""OpenVINO, from 2023.0 on: ONNX from bytes, and every format that `read_model` takes as a path.

Reading (and so converting) is stage `load`, compiling for the device stage `assign`. A provider is
a device name: CPU, GPU, GPU.0, NPU, AUTO, HETERO:GPU,CPU, …

Options: `threads`, `inference_precision` (f32, f16, bf16), `graph_optimization` (all, disabled),
and any key in capitals is a property of the device, word for word. Where the processor has
bfloat16, the CPU device computes f32 models in it unless told otherwise, to three digits;
`disabled` asks for the mode that keeps the model's own types.
"""

import io

from .. import onnxmake, onnxpb
from ..arrays import from_array, to_array, without_padding
from ..values import Value, nbytes, raw
from ._unknown import no_option

__all__ = ["Adapter"]

_DTYPES = {
    "f16": "float16", "f32": "float32", "f64": "float64", "bf16": "bfloat16", "boolean": "bool",
    "i4": "int4", "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64",
    "u2": "uint2", "u4": "uint4", "u8": "uint8", "u16": "uint16", "u32": "uint32", "u64": "uint64",
    "f8e4m3": "float8e4m3fn", "f8e5m2": "float8e5m2", "f8e8m0": "float8e8m0",
    "f4e2m1": "float4e2m1", "string": "string",
}  # fmt: skip
_PROPERTIES = {
    "threads": "INFERENCE_NUM_THREADS",
    "inference_precision": "INFERENCE_PRECISION_HINT",
}
_NOT_NODES = frozenset({"Parameter", "Constant", "Result"})


class Adapter:
    """See the seam's text in `runtimes/__init__.py`."""

    def __init__(self, distribution, module=None):
        self.distribution = distribution
        import openvino

        if not hasattr(openvino, "Core"):  # 2023.0
            import openvino.runtime

            openvino = openvino.runtime
        self._ov = openvino
        self._core = openvino.Core()
        self._types = {
            dtype: getattr(openvino.Type, name)
            for name, dtype in _DTYPES.items()
            if hasattr(openvino.Type, name)
        }

    def info(self):
        """Version and devices; OpenVINO names no newest IR or opset."""
        devices = list(self._core.available_devices)
        return {
            "runtime": "openvino",
            "version": self._ov.get_version().partition("-")[0],
            "build": self._ov.get_version(),
            "providers": devices,
            "devices": [
                "{}: {}".format(name, self._core.get_property(name, "FULL_DEVICE_NAME"))
                for name in devices
            ],
            "limits": {},
            "precision": {name: self._precision(name) for name in devices},
            "optimizer_off": {"graph_optimization": "disabled"},
        }

    def _precision(self, device):
        """The type in which the device computes f32 models by default; "" where it has none."""
        try:
            return _dtype(self._core.get_property(device, "INFERENCE_PRECISION_HINT"))
        except Exception:
            return ""

    def unavailable(self, provider, options):
        """Compile one Relu for the device; whatever OpenVINO then says is the reason."""
        probe = onnxmake.model(
            [onnxmake.node("Relu", ["x"], ["y"])],
            [onnxmake.value_info("x", "float32", (1,))],
            [onnxmake.value_info("y", "float32", (1,))],
        )
        try:
            self._core.compile_model(
                self._core.read_model(io.BytesIO(probe)), provider, _config(options)
            )
        except Exception as error:
            return "{}: {}".format(type(error).__name__, error)
        return None

    def load(self, model, provider, options):
        """Read and convert."""
        config = _config(options)
        if isinstance(model, str):
            read = self._core.read_model(model)
        else:
            model = bytes(model)
            read = self._core.read_model(io.BytesIO(model))
        return Session(self, read, model, provider, config)


def _config(options):
    """Options as properties of the device.

    Raises:
        ValueError: an option that is none of ours and no property either.
    """
    found = {}
    for name, value in (options or {}).items():
        if name == "graph_optimization":
            if value not in ("all", "disabled"):
                raise ValueError("graph_optimization is all or disabled, not {!r}".format(value))
            if value == "disabled":
                found["EXECUTION_MODE_HINT"] = "ACCURACY"
        elif name in _PROPERTIES:
            found[_PROPERTIES[name]] = value
        elif name.isupper():
            found[name] = value
        else:
            raise no_option("openvino", name, {"graph_optimization", *_PROPERTIES})
    return found


def _graph_names(model, read):
    """(input names, output names) by position.

    One tensor may carry several names once nodes without effect are gone, so ONNX's own come from
    the file. Other formats have only what OpenVINO says.
    """
    if _is_onnx(model):
        try:
            found = onnxpb.summary(model)
        except ValueError:
            found = None
        if found and len(found.outputs) == len(read.outputs):
            held = set(found.initializers)
            inputs = [name for name, _, _ in found.inputs if name not in held]
            outputs = [name for name, _, _ in found.outputs]
            if len(inputs) == len(read.inputs):
                return inputs, outputs
            return [_port_name(port, n) for n, port in enumerate(read.inputs)], outputs
    return tuple(
        [_port_name(port, n) for n, port in enumerate(ports)]
        for ports in (read.inputs, read.outputs)
    )


def _is_onnx(model):
    return not isinstance(model, str) or model.endswith(".onnx")


def _port_name(port, position):
    names = sorted(port.get_names())
    return names[0] if names else "{}:{}".format(port.get_node().get_friendly_name(), position)


class Session:
    """One model that was read, and compiled by `assign`."""

    def __init__(self, adapter, read, model, provider, config):
        self._adapter = adapter
        self._model = read
        self._inputs, self._outputs = _graph_names(model, read)
        self._opset = onnxpb.main_opset(model) if _is_onnx(model) else 0
        self._provider = provider
        self._config = config
        self._compiled = self._request = None

    def assign(self):
        """Compile for the device."""
        core = self._adapter._core
        self._compiled = core.compile_model(self._model, self._provider, self._config)
        self._request = self._compiled.create_infer_request()

    def inputs(self):
        """Names of all inputs."""
        return list(self._inputs)

    def signature(self):
        """[(name, dtype, shape)]; a dimension that is not fixed is ""."""
        found = []
        for name, port in zip(self._inputs, self._model.inputs):
            partial = port.get_partial_shape()
            shape = ()
            if partial.rank.is_static:
                shape = tuple(dim.get_length() if dim.is_static else "" for dim in partial)
            found.append((name, _dtype(port.get_element_type()), shape))
        return found

    def run(self, feeds):
        """Run once; feeds of names that the model does not know are left out."""
        missing = [name for name in self._inputs if name not in feeds]
        if missing:
            # OpenVINO itself would run with whatever lies in the memory of such an input.
            raise ValueError("inputs without a value: {}".format(", ".join(missing)))
        request, kept = self._request, []
        for position, name in enumerate(self._inputs):
            tensor = self._tensor(feeds[name], self._compiled.inputs[position])
            kept.append(tensor)
            request.set_input_tensor(position, tensor)
        request.infer()
        return [
            (name, self._value(request.get_output_tensor(position)))
            for position, name in enumerate(self._outputs)
        ]

    def _tensor(self, value, port):
        """A tensor with its own memory; the declared type decides where the bits allow it."""
        ov, types = self._adapter._ov, self._adapter._types
        if value.kind == "optional" and value.items:
            value = value.items[0]
        if value.kind != "tensor":
            raise TypeError("openvino takes tensors, not a {}".format(value.kind))
        if value.dtype == "string":
            return ov.Tensor(to_array(value).astype(str))
        declared = _dtype(port.get_element_type())
        dtype = value.dtype
        if declared != dtype and {declared, dtype} in ({"bfloat16", "uint16"},):
            dtype = declared
        if dtype not in types:
            raise TypeError("openvino has no element type {}".format(dtype))
        found = ov.Tensor(types[dtype], ov.Shape(list(value.shape)))
        _bytes_of(found)[:] = _as_uint8(raw(value.data))
        return found

    def _value(self, tensor):
        dtype = _dtype(tensor.get_element_type())
        shape = tuple(tensor.get_shape())
        if dtype == "string":
            return from_array(tensor.str_data.reshape(shape))
        data = _bytes_of(tensor).tobytes()[: nbytes(dtype, shape)]
        return Value.tensor(dtype, shape, without_padding(dtype, shape, data))

    def placement(self):
        """{device: nodes} from the devices that execute; for several, as the query splits them."""
        nodes = [op for op in self._model.get_ops() if op.get_type_name() not in _NOT_NODES]
        if not nodes:
            return {}
        try:
            devices = self._compiled.get_property("EXECUTION_DEVICES")
        except Exception:
            return None
        devices = [devices] if isinstance(devices, str) else list(devices)
        if len(devices) == 1:
            # AUTO puts its first choice in brackets until it has settled.
            return {devices[0].strip("()"): len(nodes)}
        if not self._provider.startswith("HETERO"):
            return None
        split = self._adapter._core.query_model(self._model, self._provider)
        found = {}
        for op in nodes:
            device = split.get(op.get_friendly_name())
            if device:
                found[device] = found.get(device, 0) + 1
        return found or None

    def opset(self):
        """Of an ONNX model's main domain, 0 for other formats."""
        return self._opset

    def close(self):
        """Release what was compiled."""
        self._request = self._compiled = self._model = None


def _dtype(element_type):
    name = element_type.to_string() if hasattr(element_type, "to_string") else ""
    name = name or element_type.get_type_name()
    return _DTYPES.get(name, name)


def _bytes_of(tensor):
    """A tensor's memory as a flat array of bytes."""
    import numpy

    found = tensor.data
    return found.reshape(-1).view(numpy.uint8)


def _as_uint8(data):
    import numpy

    return numpy.frombuffer(data, dtype=numpy.uint8)
