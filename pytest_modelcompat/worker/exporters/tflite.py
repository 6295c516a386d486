"""`tflite`, `tflite-float16`, `tflite-dynamic`, `tflite-int8`: TensorFlow's converter.

The variants are float32; weights in float16; weights in int8 with float activations; and all of it
in int8 with inputs and outputs left in float32, calibrated on the data sets of the build function.
"""

from __future__ import annotations

import os

from ._keras import KerasExporter
from .built import File

__all__ = ["Exporter"]

_CALIBRATION = 16  # data sets at most


class Exporter(KerasExporter):
    """See `exporters`."""

    def export(self, built, folder, opset):
        if opset is not None:
            raise ValueError("{} has no opsets".format(self.name))
        tf = self.tensorflow
        call = self.function(built)
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [call.get_concrete_function()], built.model
        )
        variant = self.name.partition("-")[2]
        if variant:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if variant == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if variant == "int8":
            converter.representative_dataset = lambda: self._calibration(built)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        path = os.path.join(folder, "model.tflite")
        with open(path, "wb") as file:
            file.write(converter.convert())
        return File("model.tflite", **self._names(path, built))

    def _calibration(self, built):
        for number in range(_CALIBRATION):
            feeds = built.data_set(number)
            if feeds is None:
                return
            yield list(feeds.values())

    def _names(self, path, built):
        """The file's own names for tensors, in the build function's order."""
        interpreter = self.tensorflow.lite.Interpreter(model_path=path)
        feeds = list(built.data_set(0))
        inputs = _ordered([each["name"] for each in interpreter.get_input_details()], feeds)
        outputs = [each["name"] for each in interpreter.get_output_details()]
        signatures = interpreter.get_signature_list()
        del signatures
        return {"inputs": inputs, "outputs": outputs if len(built.outputs) == 1 else None}


def _ordered(names, wanted):
    """The file's names in the wanted order; None where they cannot be told apart."""
    if len(names) == 1 and len(wanted) == 1:
        return names
    found = []
    for each in wanted:
        fitting = [name for name in names if name.partition("_")[2] == each or each in name]
        if len(fitting) != 1:
            return None
        found.append(fitting[0])
    return found
