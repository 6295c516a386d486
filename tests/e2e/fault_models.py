"""Tiny ONNX models that do harm, and a few that do not, made with the onnx of this environment.

Each function gives the bytes of a file. Names are the same everywhere: input `x`, output `y`.
"""

from __future__ import annotations

import numpy as np
from onnx import (
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

OPSET, IR = 13, 8  # the oldest release that is tested reads them
FLOAT, INT32, INT64, BOOL = (
    TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL,
)  # fmt: skip
LOCAL = "local"  # domain of functions


def info(name: str, kind: int, shape: list[int | str] | None) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name: str, value: object, dtype: type[np.generic]) -> TensorProto:
    return numpy_helper.from_array(np.asarray(value, dtype), name)


def model(
    nodes: list[NodeProto],
    *,
    inputs: list[ValueInfoProto] | None = None,
    outputs: list[ValueInfoProto] | None = None,
    constants: list[TensorProto] | None = None,
    functions: list[FunctionProto] | None = None,
    domains: tuple[str, ...] = (),
    opset: int = OPSET,
) -> ModelProto:
    """A model; x and y are float32[3] where nothing is said."""
    graph = helper.make_graph(
        nodes,
        "g",
        [info("x", FLOAT, [3])] if inputs is None else inputs,
        [info("y", FLOAT, None)] if outputs is None else outputs,
        constants or [],
    )
    names = {LOCAL, *domains} if functions else {*domains}
    imports = [helper.make_opsetid("", opset)]
    imports += [helper.make_opsetid(name, 1) for name in sorted(names)]
    return helper.make_model(graph, opset_imports=imports, ir_version=IR, functions=functions or [])


def node(op: str, inputs: list[str], outputs: list[str], **attributes: object) -> NodeProto:
    return helper.make_node(op, inputs, outputs, **attributes)


def data(made: ModelProto) -> bytes:
    return made.SerializeToString()


# -- healthy ones


def relu(length: int = 3) -> bytes:
    return data(model([node("Relu", ["x"], ["y"])], inputs=[info("x", FLOAT, [length])]))


def negated() -> bytes:
    return data(model([node("Neg", ["x"], ["y"])]))


# -- what native code dies of


def divided(op: str = "Div", kind: int = INT32) -> bytes:
    """y = x op z, for integers: zero is for the data to bring."""
    sides = [info(name, kind, ["n"]) for name in ("x", "z")]
    return data(
        model([node(op, ["x", "z"], ["y"])], inputs=sides, outputs=[info("y", kind, ["n"])])
    )


def divided_by_zero(op: str = "Div", kind: int = INT32) -> bytes:
    """The same where the model itself brings the zero."""
    dtype = {INT32: np.int32, INT64: np.int64}[kind]
    return data(
        model(
            [node("Cast", ["x"], ["i"], to=kind), node(op, ["i", "zero"], ["y"])],
            outputs=[info("y", kind, [3])],
            constants=[constant("zero", [0, 0, 0], dtype)],
        )
    )


def divided_when_folded() -> bytes:
    """The division needs no input, so that an optimizer does it."""
    sides = [constant(name, [value], np.int32) for name, value in (("one", 1), ("zero", 0))]
    nodes = [
        node("Div", ["one", "zero"], ["q"]),
        node("Cast", ["q"], ["f"], to=FLOAT),
        node("Add", ["x", "f"], ["y"]),
    ]
    return data(model(nodes, constants=sides))


def function(name: str, nodes: list[NodeProto]) -> FunctionProto:
    imports = [helper.make_opsetid("", OPSET), helper.make_opsetid(LOCAL, 1)]
    return helper.make_function(LOCAL, name, ["x"], ["y"], nodes, imports)


def recursive() -> bytes:
    """A function that calls itself."""
    calls = [node("Again", ["x"], ["y"], domain=LOCAL)]
    return data(model(calls, functions=[function("Again", calls)]))


def mutually_recursive() -> bytes:
    there, back = (node(name, ["x"], ["y"], domain=LOCAL) for name in ("There", "Back"))
    return data(model([there], functions=[function("There", [back]), function("Back", [there])]))


def function_bomb(depth: int = 30) -> bytes:
    """Functions that each call the next one twice: 2**depth nodes."""
    functions = [
        function(
            f"F{n}",
            [
                node(f"F{n + 1}", ["x"], ["m"], domain=LOCAL),
                node(f"F{n + 1}", ["m"], ["y"], domain=LOCAL),
            ],
        )
        for n in range(depth)
    ]
    functions.append(function(f"F{depth}", [node("Neg", ["x"], ["y"])]))
    return data(model([node("F0", ["x"], ["y"], domain=LOCAL)], functions=functions))


def subgraphs(depth: int) -> bytes:
    """If inside of If inside of If."""
    graph: GraphProto = helper.make_graph(
        [node("Identity", ["x"], ["y0"])], "leaf", [], [info("y0", FLOAT, None)]
    )
    for n in range(1, depth + 1):
        inner = node("If", ["yes"], [f"y{n}"], then_branch=graph, else_branch=graph)
        if n > 3:  # else it doubles each time
            inner.attribute[1].CopyFrom(helper.make_attribute("else_branch", leaf(n)))
        graph = helper.make_graph([inner], f"g{n}", [], [info(f"y{n}", FLOAT, None)])
    outer = node("If", ["yes"], ["y"], then_branch=graph, else_branch=graph)
    return data(model([outer], constants=[constant("yes", True, np.bool_)]))


def leaf(n: int) -> GraphProto:
    return helper.make_graph(
        [node("Identity", ["x"], [f"z{n}"])], "leaf", [], [info(f"z{n}", FLOAT, None)]
    )


# -- what never ends


def endless_loop() -> bytes:
    """A Loop whose condition stays true and that carries one value."""
    body = helper.make_graph(
        [node("Identity", ["go"], ["go_on"]), node("Neg", ["v"], ["w"])],
        "body",
        [info("i", INT64, []), info("go", BOOL, []), info("v", FLOAT, None)],
        [info("go_on", BOOL, []), info("w", FLOAT, None)],
    )
    return data(
        model(
            [node("Loop", ["", "yes", "x"], ["y"], body=body)],
            constants=[constant("yes", True, np.bool_)],
        )
    )


def slow_sort(copies: int = 1 << 20) -> bytes:
    """Sorts many copies of long strings that differ at their end: minutes within one C function."""
    return data(
        model(
            [node("Tile", ["x", "copies"], ["many"]), node("Unique", ["many"], ["y"])],
            inputs=[info("x", TensorProto.STRING, ["n"])],
            outputs=[info("y", TensorProto.STRING, None)],
            constants=[constant("copies", [copies], np.int64)],
        )
    )


# -- what takes too much


def expanded(*shape: int) -> bytes:
    """y = x, as large as this says."""
    return data(
        model(
            [node("Expand", ["x", "shape"], ["y"])],
            inputs=[info("x", FLOAT, [1])],
            constants=[constant("shape", shape, np.int64)],
        )
    )


def filled(*shape: int) -> bytes:
    """A ConstantOfShape of this shape, added to x."""
    return data(
        model(
            [
                node("ConstantOfShape", ["shape"], ["zeros"]),
                node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
                node("Add", ["x", "sum"], ["y"]),
            ],
            constants=[constant("shape", shape, np.int64)],
        )
    )
