"""Tiny ONNX models that do harm, and a few that do not, made with the onnx of this environment.

Each function gives the bytes of a file. Names are the same everywhere: input `x`, output `y`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from collections.abc import Callable

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
    graph = leaf("y0")
    for n in range(1, depth + 1):
        inner = node("If", ["yes"], [f"y{n}"], then_branch=graph, else_branch=leaf(f"z{n}"))
        graph = helper.make_graph([inner], f"g{n}", [], [info(f"y{n}", FLOAT, None)])
    outer = node("If", ["yes"], ["y"], then_branch=graph, else_branch=leaf("z"))
    return data(model([outer], constants=[constant("yes", True, np.bool_)]))


def leaf(output: str) -> GraphProto:
    return helper.make_graph(
        [node("Identity", ["x"], [output])], "leaf", [], [info(output, FLOAT, None)]
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


# -- bytes that are no model, or hardly one


def field(number: int, wire: int, content: bytes | int) -> bytes:
    """One field of a message, with whatever wire type."""
    if isinstance(content, int):
        return varint(number << 3 | wire) + varint(content)
    length = varint(len(content)) if wire == 2 else b""
    return varint(number << 3 | wire) + length + content


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def nested(depth: int) -> bytes:
    """A graph in an attribute of a node of a graph …, as messages that are otherwise empty."""
    graph = b""
    for _ in range(depth):
        attribute = field(1, 2, b"body") + field(6, 2, graph) + field(20, 0, 5)
        graph = field(1, 2, field(4, 2, b"Loop") + field(5, 2, attribute))
    return field(1, 0, IR) + field(7, 2, graph) + field(8, 2, field(2, 0, OPSET))


def malformed() -> dict[str, bytes]:
    """Files that no parser should take."""
    good = relu()
    opset = field(8, 2, field(2, 0, OPSET))
    rng = np.random.default_rng(7)
    return {
        "empty": b"",
        "text": b"this is not a model\n" * 50,
        "zeros": bytes(4096),
        "noise": rng.bytes(4096),
        "truncated": good[: len(good) // 2],
        "truncated-number": b"\x08" + b"\xff" * 9,
        "endless-number": b"\x08" + b"\xff" * 4000,
        "longer-than-the-file": field(1, 0, IR) + varint(7 << 3 | 2) + varint(1 << 40) + good,
        "graph-is-a-number": field(1, 0, IR) + field(7, 0, 1) + opset,
        "graph-is-a-double": field(1, 0, IR) + field(7, 1, bytes(8)) + opset,
        "groups": field(1, 0, IR) + varint(7 << 3 | 3) * 2000 + varint(7 << 3 | 4) * 2000 + opset,
        "unknown-wire-type": field(1, 0, IR) + varint(7 << 3 | 7) + good,
        "field-zero": varint(2) + varint(4) + b"zero" + good,
        "version-is-text": field(1, 2, b"eight") + good,
        "no-graph": field(1, 0, IR) + opset,
        "empty-graph": field(1, 0, IR) + field(7, 2, b"") + opset,
        "nested-60": nested(60),
        "nested-5000": nested(5000),
    }


def changed(made: ModelProto, change: object) -> bytes:
    change(made)  # type: ignore[operator]
    return made.SerializeToString()


def odd_versions() -> dict[str, bytes]:
    def one(change: object) -> bytes:
        return changed(model([node("Relu", ["x"], ["y"])]), change)

    def set_opset(version: int) -> object:
        return lambda made: setattr(made.opset_import[0], "version", version)

    return {
        "no-opset": one(lambda made: made.ClearField("opset_import")),
        "negative-opset": one(set_opset(-5)),
        "future-opset": one(set_opset(99)),
        "enormous-opset": one(set_opset(1 << 62)),
        "future-ir": one(lambda made: setattr(made, "ir_version", 1 << 40)),
        "negative-ir": one(lambda made: setattr(made, "ir_version", -1)),
    }


# -- tensors that lie


def added(tensor: TensorProto) -> bytes:
    """y = x + this."""
    tensor.name = "k"
    return data(model([node("Add", ["x", "k"], ["y"])], constants=[tensor]))


def tensor(kind: int = FLOAT, dims: tuple[int, ...] = (3,), raw: bytes = b"") -> TensorProto:
    made = TensorProto(data_type=kind)
    made.dims.extend(dims)
    if raw:
        made.raw_data = raw
    return made


def lying_tensors() -> dict[str, bytes]:
    twelve = b"\0\0\x80?" * 3
    wrong_field = tensor()
    wrong_field.int64_data.extend([1, 2, 3])
    return {
        "enormous-tensor": added(tensor(dims=(1 << 62, 1 << 62), raw=twelve)),
        "overflowing-tensor": added(tensor(dims=(1 << 32, 1 << 32), raw=twelve)),
        "one-byte-of-petabytes": added(tensor(dims=(1 << 48,), raw=twelve)),
        "negative-tensor": added(tensor(dims=(-3,), raw=twelve)),
        "minus-one-minus-three": added(tensor(dims=(-1, -3), raw=twelve)),
        "raw-data-too-short": added(tensor(raw=twelve[:5])),
        "raw-data-too-long": added(tensor(raw=twelve * 1000)),
        "no-data": added(tensor()),
        "data-in-another-field": added(wrong_field),
        "no-element-type": added(tensor(kind=0, raw=twelve)),
        "unknown-element-type": added(tensor(kind=99, raw=twelve)),
        "raw-strings": added(tensor(kind=TensorProto.STRING, raw=twelve)),
    }


def odd_inputs() -> dict[str, bytes]:
    def one(shape: list[int | str], kind: int = FLOAT) -> bytes:
        return data(model([node("Relu", ["x"], ["y"])], inputs=[info("x", kind, shape)]))

    return {
        "negative-input": one([-7, 3]),
        "enormous-input": one([1 << 40]),
        "overflowing-input": one([1 << 32, 1 << 33]),
        "thousand-dimensions": one([1] * 1000),
        "unknown-input-type": one([3], 99),
    }


# -- graphs that make no sense


def odd_graphs() -> dict[str, bytes]:
    relu_y = node("Relu", ["x"], ["y"])
    twice = [constant("k", [1.0] * 3, np.float32), constant("k", [2.0] * 3, np.float32)]
    untyped = node("LeakyRelu", ["x"], ["y"])
    untyped.attribute.append(helper.make_attribute("alpha", "a string"))
    odd_name = "\x1b[31m<script>alert(1)</script>\u202e\0" + "n" * 10_000
    return {
        "cycle": data(model([node("Add", ["x", "b"], ["a"]), node("Add", ["x", "a"], ["b"]),
                             node("Neg", ["b"], ["y"])])),
        "own-output": data(model([node("Add", ["x", "y"], ["y"])])),
        "output-twice": data(model([relu_y, node("Neg", ["x"], ["y"])])),
        "constant-twice": data(model([node("Add", ["x", "k"], ["y"])], constants=twice)),
        "input-twice": data(model([relu_y], inputs=[info("x", FLOAT, [3])] * 2)),
        "output-is-nobodys": data(model([node("Relu", ["x"], ["other"])])),
        "input-is-nobodys": data(model([node("Relu", ["absent"], ["y"])])),
        "unknown-operator": data(model([node("Nonsense", ["x"], ["y"])])),
        "no-operator": data(model([node("", ["x"], ["y"])])),
        "unknown-domain": data(model([node("Relu", ["x"], ["y"], domain="com.example.none")])),
        "imported-unknown-domain": data(
            model([node("Relu", ["x"], ["y"], domain="com.example")], domains=("com.example",))
        ),
        "too-many-inputs": data(model([node("Relu", ["x"] * 500, ["y"])])),
        "attribute-of-another-type": data(model([untyped])),
        "names-to-be-escaped": data(
            model([node("Relu", ["x"], ["y"], name=odd_name), node("Oh" + odd_name, ["y"], ["z"])])
        ),
    }  # fmt: skip


def odd_arguments() -> dict[str, bytes]:
    """Attributes and indices that kernels had better look at."""

    def one(op: str, *values: object, **attributes: object) -> bytes:
        constants = [
            constant(f"c{n}", value, np.int64)
            for n, value in enumerate(values)
            if value is not None
        ]
        names = ["x", *(f"c{n}" if v is not None else "" for n, v in enumerate(values))]
        return data(model([node(op, names, ["y"], **attributes)], constants=constants))

    image = [info("x", FLOAT, [1, 1, 8, 8])]
    weights = constant("w", np.ones((1, 1, 3, 3)), np.float32)

    def conv(**attributes: object) -> bytes:
        made = [node("Conv", ["x", "w"], ["y"], **attributes)]
        return data(model(made, inputs=image, constants=[weights]))

    def pool(**attributes: object) -> bytes:
        return data(model([node("MaxPool", ["x"], ["y"], **attributes)], inputs=image))

    far = 1 << 62
    return {
        "gather-far-out": one("Gather", [far]),
        "gather-far-below": one("Gather", [-far]),
        "slice-far-out": one("Slice", [far], [-far], [0], [-far]),
        "slice-no-such-axis": one("Slice", [0], [1], [1000]),
        "slice-step-zero": one("Slice", [0], [3], [0], [0]),
        "reshape-to-nothing": one("Reshape", [-1, -1]),
        "reshape-enormous": one("Reshape", [far, far]),
        "tile-negative": one("Tile", [-5]),
        "tile-enormous": one("Tile", [1 << 40]),
        "pad-negative": one("Pad", [-far, -far]),
        "pad-enormous": one("Pad", [far, far]),
        "one-hot-depth": one("Unsqueeze", [far]),
        "transpose-nowhere": one("Transpose", perm=[9]),
        "stride-zero": conv(strides=[0, 0]),
        "group-zero": conv(group=0),
        "group-enormous": conv(group=far),
        "padding-enormous": conv(pads=[far, far, far, far]),
        "dilation-enormous": conv(dilations=[far, far]),
        "kernel-zero": pool(kernel_shape=[0, 0]),
        "kernel-enormous": pool(kernel_shape=[far, far]),
        "pool-stride-zero": pool(kernel_shape=[2, 2], strides=[0, 0]),
    }


# -- external data


def external(location: str | list[str], *, place: str = "initializer", **more: object) -> bytes:
    """y = x + four bytes times three that lie at this location."""
    made = tensor()
    made.name, made.data_location = "k", TensorProto.EXTERNAL
    for each in [location] if isinstance(location, str) else location:
        made.external_data.add(key="location", value=each)
    for key, value in more.items():
        made.external_data.add(key=key, value=str(value))
    add = node("Add", ["x", "k"], ["y"])
    from_constant = node("Constant", [], ["k"], value=made)
    if place == "constant":
        return data(model([from_constant, add]))
    if place == "function":
        called = node("Inside", ["x"], ["y"], domain=LOCAL)
        return data(model([called], functions=[function("Inside", [from_constant, add])]))
    if place == "subgraph":
        yes = constant("yes", True, np.bool_)
        branch = helper.make_graph(
            [node("Add", ["x", "k"], ["inner"])], "b", [], [info("inner", FLOAT, None)], [made]
        )
        chosen = node("If", ["yes"], ["y"], then_branch=branch, else_branch=leaf("other"))
        return data(model([chosen], constants=[yes]))
    return data(model([add], constants=[made]))


def with_locations(made: ModelProto, change: Callable[[str], str]) -> bytes:
    """The same model with other locations of its external data."""
    graphs, tensors = [made.graph], []
    nodes = [node for function in made.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            tensors += graph.initializer
            nodes += graph.node
            continue
        for attribute in nodes.pop().attribute:
            tensors.append(attribute.t)
            if attribute.HasField("g"):
                graphs.append(attribute.g)
    for each in tensors:
        for entry in each.external_data:
            entry.value = change(entry.value)
    return made.SerializeToString()
