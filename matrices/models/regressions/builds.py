"""Estimators of public issues in an exporter; each runs in its producers' environments."""

import numpy as np


def forest_of_two_outputs():
    """A forest that tells two things at once: its probabilities are two tables."""
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.RandomState(0)
    table, kinds = rng.randint(0, 3, (64, 2)), rng.randint(0, 3, (64, 2))
    model = RandomForestClassifier(n_estimators=5, random_state=0).fit(table, kinds)
    return model, {"X": np.array([[1, 1], [0, 2], [2, 0]], "float32")}


def drop_if_binary():
    """An encoder that drops one category of two, and none of three."""
    from sklearn.preprocessing import OneHotEncoder

    rows = np.array([[0, 0, 0], [1, 1, 0], [2, 2, 1], [2, 0, 1]], "int64")
    encoder = OneHotEncoder(categories="auto", drop="if_binary").fit(rows)
    return _dense(encoder), {"X": rows[1:]}


def _dense(encoder):
    """The same encoder with a table for an answer, whatever the option is called in its release."""
    name = "sparse_output" if hasattr(encoder, "sparse_output") else "sparse"
    return encoder.set_params(**{name: False})
