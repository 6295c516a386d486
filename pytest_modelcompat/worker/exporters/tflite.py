"""`tflite`, `tflite-float16`, `tflite-dynamic`, `tflite-int8`: TensorFlow's converter.

The variants are float32; weights in float16; weights in int8 with float activations; and all of it
in int8 with inputs and outputs left in float32, calibrated on the data sets of the build function.
The file gets a signature with the build function's names, as a SavedModel has.
"""

from __future__ import annotations

import os
import shutil
import tempfile

from ._keras import KerasExporter
from .built import File

__all__ = ["Exporter"]

_CALIBRATION = 16  # data sets at most


class Exporter(KerasExporter):
    """See `exporters`."""

    def export(self, built, folder, opset):
        if opset is not None:
            raise ValueError("{} has no opsets".format(self.name))
        saved = tempfile.mkdtemp(prefix="saved-")
        try:
            self._save_frozen(built, saved)
            data = self._convert(built, saved)
        finally:
            shutil.rmtree(saved, ignore_errors=True)
        with open(os.path.join(folder, "model.tflite"), "wb") as file:
            file.write(data)
        return File("model.tflite", inputs=list(built.data_set(0)), outputs=list(built.outputs))

    def _save_frozen(self, built, path):
        """A SavedModel without variables: an interpreter would have to be told to fill them."""
        from tensorflow.python.framework import convert_to_constants as constants

        tf = self.tensorflow
        call = self.function(built)
        frozen = constants.convert_variables_to_constants_v2(
            call.get_concrete_function(), lower_control_flow=False
        )
        names = sorted(built.outputs)  # as TensorFlow flattens a mapping

        def signature(*arguments):
            found = frozen(*arguments)
            return dict(zip(names, found if isinstance(found, (list, tuple)) else [found]))

        holder = tf.Module()
        specs = list(call.input_signature)
        signatures = {"serving_default": tf.function(signature, input_signature=specs)}
        tf.saved_model.save(holder, path, signatures=signatures)

    def _convert(self, built, saved):
        lite = self.tensorflow.lite
        converter = lite.TFLiteConverter.from_saved_model(saved)
        variant = self.name.partition("-")[2]
        if variant:
            converter.optimizations = [lite.Optimize.DEFAULT]
        if variant == "float16":
            converter.target_spec.supported_types = [self.tensorflow.float16]
        if variant == "int8":
            converter.representative_dataset = lambda: self._calibration(built)
            converter.target_spec.supported_ops = [lite.OpsSet.TFLITE_BUILTINS_INT8]
        return converter.convert()

    def _calibration(self, built):
        for number in range(_CALIBRATION):
            feeds = built.data_set(number)
            if feeds is None:
                return
            yield feeds
