"""A small image classifier, a transformer block and an LSTM in Keras, with fixed seeds."""

import numpy as np
import tensorflow as tf

SEED = 20260501
keras = tf.keras


def _random(shape, number):
    return np.random.RandomState(SEED % 2**31 + number).standard_normal(shape).astype("float32")


def images():
    """A convolutional network for 32 x 32 images."""
    keras.utils.set_random_seed(SEED)
    given = keras.Input((32, 32, 3), batch_size=2, name="image")
    found = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(given)
    found = keras.layers.BatchNormalization()(found)
    found = keras.layers.MaxPooling2D()(found)
    found = keras.layers.DepthwiseConv2D(3, padding="same", activation="relu")(found)
    found = keras.layers.Conv2D(16, 1, activation="relu")(found)
    found = keras.layers.GlobalAveragePooling2D()(found)
    model = keras.Model(given, keras.layers.Dense(10, activation="softmax")(found))
    return model, lambda number: {"image": _random((2, 32, 32, 3), number)}


def transformer():
    """Self-attention and a feed-forward half, over embedded tokens."""
    keras.utils.set_random_seed(SEED)
    given = keras.Input((12,), batch_size=2, dtype="int32", name="tokens")
    found = keras.layers.Embedding(100, 32)(given)
    mixed = keras.layers.MultiHeadAttention(4, 8)(found, found)
    found = keras.layers.LayerNormalization()(keras.layers.add([found, mixed]))
    fed = keras.layers.Dense(32)(keras.layers.Dense(64, activation="gelu")(found))
    model = keras.Model(given, keras.layers.LayerNormalization()(keras.layers.add([found, fed])))
    return model, lambda number: {
        "tokens": np.random.RandomState(number).randint(0, 100, (2, 12)).astype("int32")
    }


def lstm():
    """Two layers of LSTM and a score at the end."""
    keras.utils.set_random_seed(SEED)
    given = keras.Input((20, 6), batch_size=2, name="series")
    found = keras.layers.LSTM(16, return_sequences=True)(given)
    model = keras.Model(given, keras.layers.Dense(3)(keras.layers.LSTM(16)(found)))
    return model, lambda number: {"series": _random((2, 20, 6), number)}
