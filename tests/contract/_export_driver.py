"""Build functions for the contract of exporters, run in producers' environments only.

Every model takes `x` and gives more than its input, so that an exporter that hands its input
through is seen; numbers are small, so that one look tells right from wrong.
"""
# ruff: noqa: PLC0415 - each in an environment of its own


def torch():
    import torch as t

    class Net(t.nn.Module):
        def forward(self, x):
            return t.relu(x) * 2 + 1, x.sum(dim=1)

    return {"model": Net(), "inputs": data, "outputs": ["y", "total"]}


def keras():
    import tensorflow as tf

    tf.keras.utils.set_random_seed(1)
    given = tf.keras.Input((3,), batch_size=2, name="x")
    layer = tf.keras.layers.Dense(3, activation="relu")
    return tf.keras.Model(given, layer(given)), data


def estimator():
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    table = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0], [1, 1, 1]], "float32")
    return LogisticRegression().fit(table, [0, 0, 1, 1]), data


def trees():
    import numpy as np
    import xgboost

    table = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0], [1, 1, 1]] * 5, "float32")
    model = xgboost.XGBRegressor(n_estimators=3, max_depth=2, n_jobs=1)
    return model.fit(table, np.arange(20)), data


def leaves():
    import lightgbm
    import numpy as np

    table = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0], [1, 1, 1]] * 20, "float32")
    model = lightgbm.LGBMClassifier(n_estimators=3, n_jobs=1, verbose=-1)
    return model.fit(table, [0, 1] * 40), data


def graph():
    from onnx import TensorProto, helper

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3])
    made = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), data


def data(number):
    import numpy as np

    return {"x": np.array([[-1, 0, 2], [3, -4, 5 + number]], "float32")}
