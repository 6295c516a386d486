"""OpenCV's dnn module: `.onnx` (also from memory), Caffe pairs, `.tflite`.

A Caffe model is its text, NAME.prototxt, with the weights beside it in NAME.caffemodel; OpenCV
reads such pairs until 4.x, 5.0 has no importer for them any more.

Providers: `cpu`, `opencl`, `cuda`, `vulkan`, `openvino`; all but the first are the matter of how
the wheel was built. Options: `threads`, `graph_optimization` (`disabled`: no Winograd
convolutions, and no fusion of layers but in 5.0's new engine, which cannot do without), `engine`
(from 5.0 on: auto, classic, new).
"""

import os
import re

from .. import onnxpb
from ._plain import array, only, suffix_of, value, version_of, written_off

__all__ = ["Adapter"]

_BACKENDS = {
    "cpu": ("DNN_BACKEND_OPENCV", "DNN_TARGET_CPU"),
    "opencl": ("DNN_BACKEND_OPENCV", "DNN_TARGET_OPENCL"),
    "cuda": ("DNN_BACKEND_CUDA", "DNN_TARGET_CUDA"),
    "vulkan": ("DNN_BACKEND_VKCOM", "DNN_TARGET_VULKAN"),
    "openvino": ("DNN_BACKEND_INFERENCE_ENGINE", "DNN_TARGET_CPU"),
}
_OPTIONS = {"graph_optimization": ("all", "disabled"), "engine": ("auto", "classic", "new")}
_TOLD = {"OCV/CPU": "cpu", "OCV/OPENCL": "opencl", "CUDA/CUDA": "cuda", "VULKAN/VULKAN": "vulkan"}
_PLACE = re.compile(r"\\l((?:OCV|CUDA|VULKAN|DLIE|OpenVINO)/[A-Z0-9_]+)")
_INPUT = re.compile(r'^\s*input\s*:\s*"([^"]+)"', re.MULTILINE)
_LAYER = re.compile(r'type\s*:\s*"(?:Input|Data|MemoryData|HDF5Data)"')
_TOP = re.compile(r'top\s*:\s*"([^"]+)"')


class Adapter:
    """See the seam's text in `runtimes/__init__.py`."""

    def __init__(self, distribution, module=None):
        self.distribution = distribution
        import cv2

        self.cv2 = cv2

    def info(self):
        """Version, and the backends that have a target here."""
        return {
            "runtime": "opencv_dnn",
            "version": version_of(self.distribution, self.cv2.__version__),
            "build": self.cv2.__version__,
            "providers": [name for name in _BACKENDS if self.unavailable(name, None) is None],
            "devices": ["CPU"],
            "limits": {},
            "optimizer_off": {"graph_optimization": "disabled"},
        }

    def check(self, options):
        """ValueError for an option that is none."""
        only("opencv_dnn", options, _OPTIONS)

    def unavailable(self, provider, options):
        """What OpenCV lists as targets of the backend."""
        if provider not in _BACKENDS:
            return "opencv_dnn has no provider {}".format(provider)
        dnn = self.cv2.dnn
        backend, target = (getattr(dnn, name, None) for name in _BACKENDS[provider])
        if backend is None or target is None:
            return "this OpenCV has no {}".format(_BACKENDS[provider][0])
        found = [int(each) for each in dnn.getAvailableTargets(backend)]
        if target not in found:
            return "getAvailableTargets({}) = {}, without {}".format(
                _BACKENDS[provider][0], found, _BACKENDS[provider][1]
            )
        return None

    def load(self, model, provider, options):
        """Import the file; layers that OpenCV does not have are refused here."""
        told = only("opencv_dnn", options, _OPTIONS)
        self.cv2.setNumThreads(int(told.get("threads", "1")))
        net, inputs, outputs, opset = self._read(model, told)
        backend, target = (getattr(self.cv2.dnn, name) for name in _BACKENDS[provider])
        net.setPreferableBackend(backend)
        net.setPreferableTarget(target)
        if told.get("graph_optimization") == "disabled":
            if not hasattr(self.cv2.dnn, "ENGINE_NEW") or told.get("engine") == "classic":
                net.enableFusion(fusion=False)  # the new engine loses its graph over it
            if hasattr(net, "enableWinograd"):
                net.enableWinograd(useWinograd=False)
        return Session(net, provider, inputs, outputs, opset)

    def _read(self, model, told):
        """(net, input names, output names or None, opset)."""
        dnn, more = self.cv2.dnn, {}
        if "engine" in told:
            if not hasattr(dnn, "ENGINE_AUTO"):
                raise ValueError("OpenCV {} has no engines".format(self.cv2.__version__))
            more["engine"] = getattr(dnn, "ENGINE_" + told["engine"].upper())
        if not isinstance(model, str) or model.endswith(".onnx"):
            if isinstance(model, str):
                net = dnn.readNetFromONNX(model, **more)
            else:
                import numpy

                model = bytes(model)
                net = dnn.readNetFromONNX(numpy.frombuffer(model, numpy.uint8), **more)
            found = onnxpb.summary(model)
            held = set(found.initializers)
            inputs = [each for each in found.inputs if each[0] not in held]
            return net, inputs, [name for name, _, _ in found.outputs], onnxpb.main_opset(model)
        suffix = suffix_of(model, (".prototxt", ".tflite"))
        if suffix == ".prototxt":
            net = dnn.readNetFromCaffe(model, model[: -len(suffix)] + ".caffemodel", **more)
            return net, [(name, None, None) for name in _caffe_inputs(model)], None, 0
        if suffix == ".tflite":
            net = dnn.readNetFromTFLite(model, **more)
            return net, [("0", None, None)], None, 0
        raise ValueError(
            "opencv_dnn has no format for {!r}: it loads .onnx, .prototxt, .tflite".format(
                os.path.basename(model)
            )
        )


def _caffe_inputs(path):
    """Names of the inputs, from the text: OpenCV does not list them."""
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    found = _INPUT.findall(text)
    for layer in re.split(r"^\s*layers?\s*\{", text, flags=re.MULTILINE)[1:]:
        if _LAYER.search(layer):
            found += _TOP.findall(layer)
    return found


class Session:
    """One net."""

    def __init__(self, net, provider, inputs, outputs, opset):
        self._net = net
        self._provider = provider
        self._inputs = inputs
        self._outputs = outputs
        self._opset = opset

    def assign(self):
        """Layers are placed when the sizes of the inputs are known."""

    def inputs(self):
        """Names, from the file."""
        return [name for name, _, _ in self._inputs]

    def signature(self):
        """[(name, dtype, shape)] of ONNX files.

        Raises:
            ValueError: another format, whose inputs OpenCV does not describe.
        """
        if any(kind is None for _, kind, _ in self._inputs):
            raise ValueError("OpenCV does not tell the shapes of this file's inputs: give `data`")
        return [
            (
                name,
                {"float": "float32", "double": "float64"}.get(kind[7:-1], kind[7:-1]),
                shape or (),
            )
            for name, kind, shape in self._inputs
        ]

    def run(self, feeds):
        """Run once; all outputs in the order of the file."""
        written_off(self.inputs(), feeds)
        net = self._net
        for name in self.inputs():
            fed = array("opencv_dnn", feeds[name])
            if len(self._inputs) == 1:
                net.setInput(fed)  # a TFLite input has no name that OpenCV keeps
            else:
                net.setInput(fed, name)
        ends = list(net.getUnconnectedOutLayersNames())
        found = net.forward(ends)
        names = [each.rpartition("!")[2] for each in ends]  # onnx_node_output_0!name
        pairs = dict(zip(names, found))
        if self._outputs is None or set(self._outputs) != set(names):
            names = self._outputs if self._outputs and len(self._outputs) == len(names) else names
            return [(name, value(item)) for name, item in zip(names, found)]
        return [(name, value(pairs[name])) for name in self._outputs]

    def placement(self):
        """{provider: layers} as the dump of the net tells it; without that, only `cpu` is sure."""
        text = self._net.dump()
        found = {}
        for told in _PLACE.findall(text):
            name = _TOLD.get(told, told)
            found[name] = found.get(name, 0) + 1
        if found:
            return found
        if self._provider != "cpu":
            return None
        count = len(self._net.getLayerNames()) or text.count("inputs: [") - 1
        return {"cpu": count} if count > 0 else {}

    def opset(self):
        """Of an ONNX model's main domain, 0 for other formats."""
        return self._opset

    def close(self):
        """Release the net."""
        self._net = None
