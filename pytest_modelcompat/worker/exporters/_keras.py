"""What every exporter of TensorFlow does: a Keras model's, or a module's, own answers.

A model is a Keras model, or a `tf.Module` or function that takes the inputs in order. TensorFlow's
models have their type built in, so that there is no float64 answer.
"""

from __future__ import annotations

from .built import as_array

__all__ = ["KerasExporter"]


class KerasExporter:
    """The part of a TensorFlow exporter that does not depend on the file's format."""

    def __init__(self, name, distribution):
        del distribution
        import tensorflow

        self.name = name
        self.tensorflow = tensorflow

    def info(self):
        found = {"version": str(self.tensorflow.__version__)}
        keras = getattr(self.tensorflow.keras, "__version__", "")
        if keras:
            found["keras"] = str(keras)
        return found

    def prepare(self, built):
        if built.outputs is None:
            count = len(self.answer(built, built.data_set(0)))
            built.outputs = ["output_{}".format(at) for at in range(count)]
        return built

    def answer(self, built, feeds):
        return [as_array(each) for each in self.called(built.model, list(feeds.values()))]

    def exact(self, built, feeds):
        return None

    def called(self, model, arguments):
        """The outputs as a list, whatever the model gives."""
        constants = [self.tensorflow.constant(each) for each in arguments]
        keras = hasattr(model, "predict")
        if keras:  # as an inference; a Keras model takes one argument
            one = constants[0] if len(constants) == 1 else constants
            found = model(one, training=False)
        else:
            found = model(*constants)
        if isinstance(found, dict):
            return list(found.values())
        return list(found) if isinstance(found, (list, tuple)) else [found]

    def function(self, built):
        """A concrete function with the inputs' names, giving a mapping of the outputs' names."""
        tf = self.tensorflow
        feeds = built.data_set(0)
        specs = [
            tf.TensorSpec(self._shape(built, name, array), tf.as_dtype(array.dtype), name=name)
            for name, array in feeds.items()
        ]
        names = list(built.outputs)

        def call(*arguments):
            found = self._graph(built.model, arguments)
            return dict(zip(names, found))

        return tf.function(call, input_signature=specs)

    def save(self, built, path):
        """Write a SavedModel with one signature, `serving_default`, of the inputs' names."""
        tf = self.tensorflow
        holder = tf.Module()
        # what the function closes over has to belong to what is saved
        holder.model = built.model
        holder.kept = list(getattr(built.model, "variables", ()))
        signatures = {"serving_default": self.function(built)}
        tf.saved_model.save(holder, path, signatures=signatures)

    def _graph(self, model, arguments):
        if hasattr(model, "predict"):
            one = arguments[0] if len(arguments) == 1 else list(arguments)
            found = model(one, training=False)
        else:
            found = model(*arguments)
        if isinstance(found, dict):
            return list(found.values())
        return list(found) if isinstance(found, (list, tuple)) else [found]

    def _shape(self, built, name, array):
        dynamic = built.dynamic.get(name, {})
        return [None if axis in dynamic else size for axis, size in enumerate(array.shape)]
