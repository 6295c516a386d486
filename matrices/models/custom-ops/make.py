"""Write three models of one operator of onnxruntime-extensions each, and what they must answer.

    python make.py                # onnx, numpy

The answers are by definition, not by any release: a text without its outer spaces, a text in
capital letters, the inverse of a matrix.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

HERE = Path(__file__).resolve().parent
TEXTS = np.array(["abc", "  both sides ", "right\t", ""])
MATRIX = np.array([[2, 1, 0], [0, 4, 0], [0, 0, 0.5]], np.float32)
MODELS = {
    "strip": ("StringStrip", TensorProto.STRING, TEXTS, np.char.strip(TEXTS)),
    "upper": ("StringUpper", TensorProto.STRING, TEXTS, np.char.upper(TEXTS)),
    "inverse": ("Inverse", TensorProto.FLOAT, MATRIX, np.linalg.inv(MATRIX)),
}


def main() -> None:
    """Write all of them."""
    for name, (operator, kind, given, expected) in MODELS.items():
        shape = [f"d{at}" for at in range(given.ndim)]
        graph = helper.make_graph(
            [helper.make_node(operator, ["x"], ["y"], domain="ai.onnx.contrib")],
            name,
            [helper.make_tensor_value_info("x", kind, shape)],
            [helper.make_tensor_value_info("y", kind, shape)],
        )
        opsets = [helper.make_opsetid("", 13), helper.make_opsetid("ai.onnx.contrib", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=7)
        model.producer_name = ""
        onnx.save(model, HERE / f"{name}.onnx")
        np.savez_compressed(HERE / f"{name}.npz", x=given)
        np.savez_compressed(HERE / f"{name}-expected.npz", y=expected)


if __name__ == "__main__":
    main()
