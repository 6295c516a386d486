"""REST with tensors as nested lists: what goes over the wire, and how faults are told.

How they answer is in tests/served.py, from their sources; TorchServe itself and TensorFlow's own
answers are in tests/e2e/test_served_rows.py.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any

import pytest

from pytest_modelcompat.worker.runtimes import adapter
from pytest_modelcompat.worker.runtimes._served_http import ServerError
from pytest_modelcompat.worker.values import Value
from tests.served import Pages, info_of, json_of, serving, tf_pages, torchserve_pages

if TYPE_CHECKING:
    from collections.abc import Iterator

NAN, INF = float("nan"), float("inf")
PREDICT = ("POST", "/v1/models/twice/versions/3:predict")
TORCH = ("POST", "/predictions/twice")


def floats(*numbers: float, shape: tuple[int, ...] | None = None) -> Value:
    data = struct.pack(f"<{len(numbers)}f", *numbers)
    return Value.tensor("float32", (len(numbers),) if shape is None else shape, data)


def doubled(nested: Any) -> Any:
    return [doubled(item) for item in nested] if isinstance(nested, list) else 2 * nested


def columns(body: Any) -> Any:
    """The doubles of the only input, which is named."""
    assert list(body) == ["inputs"]
    return json_of({"outputs": doubled(body["inputs"]["x"])})


def rows(body: Any) -> Any:
    assert list(body) == ["instances"]
    return json_of({"predictions": doubled(body["instances"])})


@pytest.fixture
def served() -> Iterator[Pages]:
    x, y = {"x": info_of("DT_FLOAT", -1)}, {"y": info_of("DT_FLOAT", -1)}
    with serving(tf_pages("twice", x, y, columns)) as found:
        yield found


@pytest.fixture
def torch() -> Iterator[Pages]:
    with serving(torchserve_pages("twice", rows)) as found:
        yield found


def declare(served: Pages, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
    """Another signature of the same model."""
    served.pages.update(tf_pages("twice", inputs, outputs, columns).pages)


def opened(served: Pages, **options: str) -> Any:
    told = {"url": served.url, "server": "any", "threads": "1", **options}
    return adapter("tf_serving", "numpy").load("models/twice.1", "served", told)


def opened_torch(served: Pages, **options: str) -> Any:
    told = {"url": served.url, "outputs": "y:float32", **options}
    return adapter("torchserve", "torchserve").load("models/twice.pt", "served", told)


def endpoint(served: Pages, **options: str) -> Any:
    told = {"url": served.url, "server": "any", "path": "/go", "outputs": "y:float32", **options}
    return adapter("json_endpoint", "bentoml").load("models/twice.onnx", "served", told)


def who(runtime: str, served: Pages, **options: str) -> Any:
    told = {"url": served.url, "outputs": "y:float32", "server": "torchserve==0.12.0", **options}
    if runtime == "tf_serving":
        told = {"url": served.url, "server": "any", **options}
    made = adapter(runtime, "onnx")
    made.check(told)
    return made.unavailable("served", told)


# What goes over the wire -----------------------------------------------------------------------


def test_a_right_answer_in_columns(served: Pages) -> None:
    session = opened(served)
    session.assign()
    assert session.inputs() == ["x"]
    assert session.signature() == [("x", "float32", ("",))]
    assert session.run({"x": floats(1, -0.5, 0.1)}) == [("y", floats(2, -1, 0.2))]
    assert (session.placement(), session.opset()) == (None, 0)
    session.close()
    assert served.asked[-1][:2] == PREDICT  # the version that was described


def test_a_right_answer_in_rows(served: Pages, torch: Pages) -> None:
    served.pages[PREDICT] = rows
    assert opened(served, format="rows").run({"x": floats(1, 2)}) == [("y", floats(2, 4))]
    session = opened_torch(torch)
    assert session.inputs() == []
    given = floats(1, 2, 3, 4, shape=(2, 2))
    assert session.run({"any": given}) == [("y", floats(2, 4, 6, 8, shape=(2, 2)))]
    assert torch.asked[-1] == (*TORCH, {"instances": [[1.0, 2.0], [3.0, 4.0]]})
    given = floats(*range(12), shape=(2, 3, 2))
    assert session.run({"any": given})[0][1] == floats(*range(0, 24, 2), shape=(2, 3, 2))
    nested = [[[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], [[6.0, 7.0], [8.0, 9.0], [10.0, 11.0]]]
    assert torch.asked[-1][2] == {"instances": nested}
    with pytest.raises(ValueError, match="does not tell the inputs of 'twice'"):
        session.signature()
    session = opened_torch(torch, inputs="a:float32")  # its name is for data with positions
    assert session.inputs() == ["a"]
    assert session.run({"a": floats(1)}) == [("y", floats(2))]
    with pytest.raises(ValueError, match="declared float32, and is int8"):
        session.run({"a": Value.tensor("int8", (1,), bytes(1))})


@pytest.mark.parametrize(
    ("dtype", "theirs", "code", "numbers"),
    [
        ("bool", "DT_BOOL", "?", [True, False]),
        ("int8", "DT_INT8", "b", [-128, 127]),
        ("int16", "DT_INT16", "h", [-32768, 32767]),
        ("int32", "DT_INT32", "i", [-(2**31), 2**31 - 1]),
        ("int64", "DT_INT64", "q", [-(2**63), 2**63 - 1]),
        ("uint8", "DT_UINT8", "B", [0, 255]),
        ("uint32", "DT_UINT32", "I", [0, 2**32 - 1]),
        ("uint64", "DT_UINT64", "Q", [0, 2**64 - 1]),
        ("float32", "DT_FLOAT", "f", [3.4028234663852886e38, 0.1]),
        ("float64", "DT_DOUBLE", "d", [1.7976931348623157e308, 0.1]),
        ("float32", "DT_FLOAT", "f", [NAN, INF]),
        ("float64", "DT_DOUBLE", "d", [-INF, -0.0]),
    ],
)
def test_numbers_come_back_bit_by_bit(
    served: Pages, dtype: str, theirs: str, code: str, numbers: list[Any]
) -> None:
    declare(served, {"x": info_of(theirs, 1, 2)}, {"y": info_of(theirs, 1, 2)})
    served.pages[PREDICT] = lambda body: json_of(
        {"outputs": body["inputs"]["x"]} if "inputs" in body
        else {"predictions": body["instances"]}
    )  # fmt: skip
    given = Value.tensor(dtype, (1, 2), struct.pack(f"<2{code}", *numbers))
    for layout in ("columns", "rows"):
        assert opened(served, format=layout).run({"x": given}) == [("y", given)]


def test_not_a_number_is_read_as_it_is_written(served: Pages) -> None:
    text = b'{"outputs": [NaN, Infinity, -Infinity, 9e+06, 0.2, 1.0]}'
    served.pages[PREDICT] = 200, {}, text
    [(_, found)] = opened(served).run({"x": floats(1)})
    assert found == floats(NAN, INF, -INF, 9e6, 0.2, 1)


def test_several_inputs_and_outputs(served: Pages) -> None:
    """Protobuf's maps have no order, so names are in theirs; columns need no common batch."""
    inputs = {"b": info_of("DT_FLOAT", -1, 2), "a": info_of("DT_INT64", -1)}
    outputs = {"z": info_of("DT_INT64", -1), "y": info_of("DT_FLOAT", -1, 2)}
    declare(served, inputs, outputs)
    a = Value.tensor("int64", (2,), struct.pack("<2q", 7, 8))
    b = floats(1, 2, 3, 4, shape=(2, 2))
    nested = [[1.0, 2.0], [3.0, 4.0]]

    def predict(body: Any) -> Any:
        if "inputs" in body:
            assert body["inputs"] == {"a": [7, 8], "b": nested}
            return json_of({"outputs": {"z": [7, 8], "y": nested}})
        assert body["instances"] == [{"a": 7, "b": nested[0]}, {"a": 8, "b": nested[1]}]
        return json_of({"predictions": [{"z": 7, "y": nested[0]}, {"z": 8, "y": nested[1]}]})

    served.pages[PREDICT] = predict
    for layout in ("columns", "rows"):
        session = opened(served, format=layout)
        assert session.inputs() == ["a", "b"]
        assert session.run({"a": a, "b": b}) == [("y", b), ("z", a)]


def test_texts_and_bytes(served: Pages) -> None:
    """What is no text goes as base64; what comes so is bytes (outputs named `…_bytes`)."""
    declare(served, {"b64": info_of("DT_STRING", -1)}, {"y_bytes": info_of("DT_STRING", -1)})
    sent = []

    def predict(body: Any) -> Any:
        sent.append(body["inputs"])
        return json_of({"outputs": [{"b64": "/wA="}, "wörd", ""]})

    served.pages[PREDICT] = predict
    given = Value.tensor("string", (3,), [b"\xff\x00", "wörd".encode(), b""])
    assert opened(served).run({"b64": given}) == [("y_bytes", given)]
    assert sent == [[{"b64": "/wA="}, "wörd", ""]]  # an object with that one name would be bytes


def test_scalars_and_tensors_without_elements(served: Pages) -> None:
    declare(served, {"x": info_of("DT_FLOAT")}, {"y": info_of("DT_FLOAT", -1, 3)})
    served.pages[PREDICT] = json_of({"outputs": []})
    session = opened(served)
    assert session.run({"x": floats(1, shape=())}) == [("y", floats(shape=(0, 3)))]
    assert served.asked[-1][2] == {"inputs": {"x": 1.0}}
    declare(served, {"x": info_of("DT_FLOAT", -1)}, {"y": info_of("DT_FLOAT", -1, -1)})
    served.pages[PREDICT] = json_of({"outputs": []})
    with pytest.raises(ValueError, match="'y' is empty, and lists do not tell its shape"):
        opened(served).run({"x": floats(shape=(0,))})
    assert served.asked[-1][2] == {"inputs": {"x": []}}
    sizes = info_of("DT_FLOAT", -1, -1)
    declare(served, {"x": sizes}, {"y": sizes})
    assert opened(served).run({"x": floats(shape=(2, 0))}) == [("y", floats(shape=(2, 0)))]
    assert served.asked[-1][2] == {"inputs": {"x": [[], []]}}
    with pytest.raises(ValueError, match=r"'x' of shape \[0, 3\] has no form in JSON"):
        opened(served).run({"x": floats(shape=(0, 3))})


def test_a_signature_that_is_named(served: Pages) -> None:
    with pytest.raises(ServerError, match="no signature 'other', but init, serving_default"):
        opened(served, signature="other")
    served.pages[PREDICT] = lambda body: json_of({"outputs": [len(body["signature_name"]) + 0.0]})
    session = opened(served, signature="serving_default")
    assert session.run({"x": floats(1)}) == [("y", floats(15))]


def test_a_server_of_kserves_protocol_v1(served: Pages) -> None:
    """It says `ready`, has no metadata and no versions, and takes rows."""
    served.pages.clear()
    served.pages["GET", "/v1/models/twice"] = json_of({"name": "twice", "ready": True})
    served.pages["POST", "/v1/models/twice:predict"] = rows
    session = opened(served, format="rows", outputs="y:float32")
    assert session.run({"x": floats(1)}) == [("y", floats(2))]
    with pytest.raises(ServerError, match="GET /v1/models/twice/metadata: 404"):
        opened(served, format="rows")
    served.pages["GET", "/v1/models/twice"] = json_of({"name": "twice", "ready": False})
    with pytest.raises(ServerError, match="is not ready"):
        opened(served, format="rows", outputs="y:float32")


def test_an_endpoint_of_plain_json(served: Pages) -> None:
    """Fields are inputs; the answer is a tensor, or an object that has what was declared."""
    given = floats(1, 2, shape=(1, 2))
    for answer in ([[2.0, 4.0]], {"y": [[2.0, 4.0]]}, {"y": [[2.0, 4.0]], "took": 3}):
        served.pages["POST", "/go"] = json_of(answer)
        session = endpoint(served)
        assert session.run({"inputs": given}) == [("y", floats(2, 4, shape=(1, 2)))]
        assert served.asked[-1] == ("POST", "/go", {"inputs": [[1.0, 2.0]]})
    served.pages["POST", "/go"] = json_of({"z": [1], "y": [2.0]})
    both = endpoint(served, outputs="y:float32,z:int64", inputs="b64:float32")
    assert both.inputs() == ["b64"]
    z = Value.tensor("int64", (1,), struct.pack("<q", 1))
    assert both.run({"b64": floats(1)}) == [("y", floats(2)), ("z", z)]
    assert served.asked[-1][2] == {"b64": [1.0]}
    served.pages["POST", "/go"] = json_of({"b64": "/wA="})
    session = endpoint(served, outputs="y:string")
    assert session.run({"x": given}) == [("y", Value.tensor("string", (), [b"\xff\x00"]))]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([{"label": "LABEL_0", "score": 0.9}], "'y' of float32 holds {'label'"),
        ({"label": "LABEL_0"}, "outputs without a value: y"),
        ("fine", "'y' of float32 holds 'fine', which is none"),
        (None, "'y' of float32 holds None, which is none"),
        ([2], "'y' of float32 holds 2, which is none"),
    ],
)
def test_an_endpoint_that_says_something_else(served: Pages, answer: Any, words: str) -> None:
    served.pages["POST", "/go"] = json_of(answer)
    with pytest.raises((ValueError, ServerError), match=words):
        endpoint(served).run({"x": floats(1)})


def test_an_endpoint_that_is_not_there(served: Pages) -> None:
    made = adapter("json_endpoint", "bentoml")
    told = {"url": served.url, "server": "any", "path": "/go", "outputs": "y:float32"}
    assert made.unavailable("served", told) is None
    assert served.asked == []
    assert made.about(told) == {"server": {"url": served.url, "path": "/go"}}
    with pytest.raises(ServerError, match="POST /go: 404"):
        endpoint(served).run({"x": floats(1)})
    made = adapter("json_endpoint", "bentoml")
    assert "GET /readyz: 404" in made.unavailable("served", {**told, "ready": "/readyz"})
    with serving(Pages(pages={})) as gone:
        told["url"] = gone.url
    said = adapter("json_endpoint", "bentoml").unavailable("served", told)
    assert "ConnectionRefusedError" in said


@pytest.mark.parametrize(
    ("options", "feeds", "words"),
    [
        ({}, {}, "inputs without a value: x"),
        ({}, {"x": Value.tensor("float64", (1,), bytes(8))}, "declared float32, and is float64"),
        ({}, {"x": floats(1, shape=(1, 1))}, r"declared of shape \['\?'\], and is of \[1, 1\]"),
        ({}, {"x": Value.sequence([])}, "takes tensors, not a sequence"),
        ({}, {"x": Value.tensor("bfloat16", (1,), bytes(2))}, "takes no bfloat16"),
        ({"format": "rows"}, {"x": floats(shape=(0,))}, "rows want one first dimension"),
    ],
)
def test_what_is_not_sent(
    served: Pages, options: dict[str, str], feeds: dict[str, Value], words: str
) -> None:
    session = opened(served, **options)
    with pytest.raises((ValueError, TypeError), match=words):
        session.run(feeds)
    assert "POST" not in [method for method, *_ in served.asked]


def test_rows_and_shapes_that_have_no_form(torch: Pages) -> None:
    session = opened_torch(torch)
    for feeds in (
        {"a": floats(1), "b": floats(1, 2)},
        {"a": floats(1, shape=())},
        {"a": floats(shape=(0, 3))},
    ):
        with pytest.raises(ValueError, match=r"no form in JSON|one first dimension"):
            session.run(feeds)
    assert "POST" not in [method for method, *_ in torch.asked]


# Answers that are none -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (["1.0"], "'y' of float32 holds '1.0', which is none"),
        ([None], "'y' of float32 holds None, which is none"),
        ([True], "'y' of float32 holds True, which is none"),
        ([1], "'y' of float32 holds 1, which is none"),  # a float has a point or an exponent
        ([1e39], "'y' of float32 holds a number beyond it"),
        ([[1.0], [2.0, 3.0]], r"'y' is nested otherwise than its shape \[2, 1\]"),
        ([[1.0], 2.0], r"'y' is nested otherwise than its shape \[2, 1\]"),
        ([1.0, [2.0]], r"'y' of float32 holds \[2.0\], which is none"),
        ({"y": [1.0]}, "'y' of float32 holds {'y'"),
        (None, "'y' of float32 holds None"),
    ],
)
def test_an_answer_that_is_no_tensor(served: Pages, answer: Any, words: str) -> None:
    served.pages[PREDICT] = json_of({"outputs": answer})
    session = opened(served)
    with pytest.raises(ValueError, match=words):
        session.run({"x": floats(1)})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"outputs": [1.0]}, "outputs without their names"),
        ({"outputs": {"y": [1.0]}}, "outputs without a value: z"),
        ({"outputs": {"y": [1.0], "z": [1.0], "w": []}}, "outputs that were not declared: w"),
        ({"predictions": [1.0]}, "an answer without outputs"),
        ({"error": "no"}, "an answer without outputs: {'error': 'no'}"),
    ],
)
def test_several_outputs_that_are_none(served: Pages, answer: Any, words: str) -> None:
    y = info_of("DT_FLOAT", -1)
    declare(served, {"x": y}, {"y": y, "z": y})
    served.pages[PREDICT] = json_of(answer)
    with pytest.raises(ServerError, match=words):
        opened(served).run({"x": floats(1)})


@pytest.mark.parametrize(
    ("predictions", "words"),
    [
        ({"y": 1.0}, "predictions that are no list"),
        ([{"y": 1.0, "z": 1.0}, [2.0]], "outputs without their names"),
        ([{"y": 1.0, "z": 1.0}, {"y": 1.0}], "outputs without a value: z"),
    ],
)
def test_rows_that_are_none(torch: Pages, predictions: Any, words: str) -> None:
    torch.pages[TORCH] = json_of({"predictions": predictions})
    with pytest.raises(ServerError, match=words):
        opened_torch(torch, outputs="y:float32, z:float32").run({"x": floats(1)})


def test_of_another_shape_is_told_as_it_is(served: Pages) -> None:
    """It is a wrong answer, and judged as one."""
    served.pages[PREDICT] = json_of({"outputs": [[1.0, 2.0]]})
    assert opened(served).run({"x": floats(1)}) == [("y", floats(1, 2, shape=(1, 2)))]


def test_an_integer_that_has_a_point_and_bytes_that_are_none(served: Pages) -> None:
    declare(served, {"x": info_of("DT_FLOAT", -1)}, {"y": info_of("DT_INT64", -1)})
    served.pages[PREDICT] = json_of({"outputs": [1.0]})
    with pytest.raises(ValueError, match=r"'y' of int64 holds 1.0, which is none"):
        opened(served).run({"x": floats(1)})
    declare(served, {"x": info_of("DT_FLOAT", -1)}, {"y": info_of("DT_STRING", -1)})
    for answer, words in (([{"b64": "?"}], "holds no base64"), ([1], "holds 1, which is none")):
        served.pages[PREDICT] = json_of({"outputs": answer})
        with pytest.raises(ValueError, match=words):
            opened(served).run({"x": floats(1)})
    declare(served, {"x": info_of("DT_FLOAT", -1)}, {"y": info_of("DT_BFLOAT16", -1)})
    served.pages[PREDICT] = json_of({"outputs": [1.0]})
    with pytest.raises(ServerError, match="'y' is of DT_BFLOAT16, which JSON does not hold"):
        opened(served).run({"x": floats(1)})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (json_of({"error": "input size does not match signature: 1!=2"}, 400),
         "400 Bad Request: input size does not match signature: 1!=2$"),
        (json_of({"code": 503, "type": "InternalServerException",
                  "message": "Prediction failed"}, 503),
         "503 Service Unavailable: Prediction failed$"),
        ((302, {"Location": "/elsewhere"}, b""), "302 Found: "),
        ((200, {}, b"<html>hello"), "no JSON .*<html>hello"),
        ((200, {}, b'{"outputs": ["\xff"]}'), "no JSON"),
        ((200, {}, b'{"outputs": [nan]}'), "no JSON"),
        ((200, {}, b"[1.0]"), "no JSON object"),
    ],
)  # fmt: skip
def test_a_refusal_is_told_in_the_servers_words(
    served: Pages, torch: Pages, answer: Any, words: str
) -> None:
    served.pages[PREDICT] = torch.pages[TORCH] = answer
    for session in (opened(served), opened_torch(torch)):
        with pytest.raises(ServerError, match=f"(?s){words}"):
            session.run({"x": floats(1)})


# Which model, and who answers ------------------------------------------------------------------


def state(version: str, word: str, said: str = "") -> dict[str, Any]:
    return {"version": version, "state": word, "status": {"error_message": said}}


def test_a_version_is_there(served: Pages) -> None:
    said = who("tf_serving", served, model="twice", model_version="4")
    assert re.search("GET /v1/models/twice/versions/4: 404 Not Found: Could not find", said)
    assert who("tf_serving", served, model="twice", model_version="3") is None
    states = [state("3", "END"), state("4", "LOADING", "no room")]
    served.pages["GET", "/v1/models/twice"] = json_of({"model_version_status": states})
    said = who("tf_serving", served, model="twice")
    assert said.endswith("no version is AVAILABLE: 3 is END; 4 is LOADING no room")
    with pytest.raises(ServerError, match="no version is AVAILABLE"):
        opened(served)
    states.append(state("5", "AVAILABLE"))
    served.pages["GET", "/v1/models/twice"] = json_of({"model_version_status": states})
    assert who("tf_serving", served, model="twice") is None
    # asked for 3 and told of the states of all
    served.pages["GET", "/v1/models/twice/versions/3"] = served.pages["GET", "/v1/models/twice"]
    assert "3 is END" in who("tf_serving", served, model="twice", model_version="3")


def test_metadata_of_another_model_or_none(served: Pages) -> None:
    place = ("GET", "/v1/models/twice/metadata")
    for metadata, words in (
        ({"model_spec": {"name": "thrice", "version": "3"}}, "asked for model 'twice', told of"),
        ({}, "metadata without model_spec"),
        ({"model_spec": {"name": "twice", "version": "3"}}, "without metadata.signature_def"),
    ):
        served.pages[place] = json_of(metadata)
        with pytest.raises(ServerError, match=words):
            opened(served)
    for broken, words in (
        ({"dtype": "DT_FLOAT"}, "without tensor_shape"),
        ({"dtype": 1, "tensor_shape": {}}, "metadata with outputs y"),
        ({"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{}]}}, "metadata with shape"),
    ):
        declare(served, {}, {"y": broken})
        with pytest.raises(ServerError, match=words):
            opened(served)
    declare(served, {}, {})
    with pytest.raises(ServerError, match="has no outputs"):
        opened(served)


def test_an_open_rank_takes_anything(served: Pages) -> None:
    free = {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [], "unknown_rank": True}}
    declare(served, {"x": free}, {"y": free})
    session = opened(served)
    assert session.run({"x": floats(1, shape=(1, 1))}) == [("y", floats(2, shape=(1, 1)))]
    with pytest.raises(ValueError, match="does not tell the inputs"):
        session.signature()


def test_a_model_that_is_not_there(served: Pages, torch: Pages) -> None:
    with pytest.raises(ServerError, match="404 Not Found: Could not find any versions of model"):
        opened(served, model="thrice")
    with pytest.raises(ServerError, match=r"OPTIONS /predictions/thrice: 404 .*Model not found"):
        opened_torch(torch, model="thrice")
    with pytest.raises(ServerError, match=r"OPTIONS /predictions/twice/2.0: 404"):
        opened_torch(torch, model_version="2.0")
    for runtime, page in (("tf_serving", served), ("torchserve", torch)):
        assert "404 Not Found" in who(runtime, page, model="thrice")
        assert who(runtime, page, model="twice") is None
        assert who(runtime, page) is None


def test_another_server_than_was_asked_for(served: Pages, torch: Pages) -> None:
    assert who("torchserve", torch, server="torchserve") is None
    said = who("torchserve", torch, server="torchserve==0.11.1")
    assert said == f"{torch.url} is torchserve 0.12.0, not torchserve 0.11.1"
    # each at the other's address, and at somebody's who knows neither
    assert "OPTIONS /: 404" in who("torchserve", served)
    assert "GET /v1/models: 404" in who("tf_serving", torch)
    served.pages.clear()
    assert "GET /v1/models: 404" in who("tf_serving", served)
    torch.pages["OPTIONS", "/"] = json_of({"info": {"title": "Shop", "version": "1"}})
    assert who("torchserve", torch).endswith("is Shop 1, not torchserve 0.12.0")
    torch.pages["OPTIONS", "/"] = json_of({"info": "none"})
    assert "no description of an API" in who("torchserve", torch)


def test_a_server_that_is_not_healthy(torch: Pages) -> None:
    torch.pages["GET", "/ping"] = json_of({"status": "Unhealthy"}, 500)
    assert "GET /ping: 500 Internal Server Error" in who("torchserve", torch)
    assert "Unhealthy" in who("torchserve", torch)


def test_the_attestation_says_what_is_known(served: Pages, torch: Pages) -> None:
    made = adapter("tf_serving", "numpy")
    told = {"url": served.url, "server": "any", "model": "twice"}
    found = made.about(told)["server"]
    assert found["url"] == served.url
    assert "name" not in found  # nobody says it
    model = found["model"]
    assert (model["version"], model["signature"]) == ("3", "serving_default")
    assert model["outputs"] == {"y": ("float32", [None])}
    asked = len(served.asked)
    assert made.unavailable("served", told) is None
    assert len(served.asked) == asked, "another server may answer the second time"
    found = adapter("torchserve", "torchserve").about({"url": torch.url, "outputs": "y:bool"})
    assert (found["server"]["name"], found["server"]["version"]) == ("torchserve", "0.12.0")
    assert adapter("tf_serving", "numpy").about({"url": served.url}) == {}


@pytest.mark.parametrize(
    ("runtime", "options", "words"),
    [
        ("tf_serving", {"server": "any"}, "tf_serving needs the option url"),
        ("tf_serving", {"url": "http://h"}, "does not tell who answers"),
        ("tf_serving", {"url": "http://h", "server": "tf==2.20"}, "needs the option server: any"),
        ("tf_serving", {"url": "http://me:secret@h", "server": "any"}, "no name, password"),
        ("tf_serving", {"url": "http://h", "server": "any", "format": "row"},
         "format is one of columns, rows"),
        ("tf_serving", {"url": "http://h", "server": "any", "model_version": "v1"}, "is a number"),
        ("tf_serving", {"url": "http://h", "server": "any", "model": "a/b"}, "model is a name"),
        ("tf_serving", {"url": "http://h", "server": "any", "outputs": "y"}, "NAME:DTYPE"),
        ("torchserve", {"url": "http://h"}, "torchserve needs the option outputs"),
        ("torchserve", {"url": "http://h", "outputs": "y:float"}, "a dtype is bool, float16"),
        ("torchserve", {"url": "http://h", "outputs": "y:bool,y:bool"}, "NAME:DTYPE"),
        ("torchserve", {"url": "http://h", "outputs": ":bool"}, "outputs is NAME:DTYPE"),
        ("torchserve", {"url": "http://h", "outputs": "y:bool", "inputs": "x"}, "inputs is NAME"),
        ("tf_serving", {"url": "http://h", "server": "any", "inputs": "x:bool"}, "goes with outp"),
        ("json_endpoint", {"url": "http://h"}, "does not tell who answers"),
        ("json_endpoint", {"url": "http://h", "server": "any"}, "needs the option path"),
        ("json_endpoint", {"url": "http://h", "server": "any", "path": "/"}, "needs the option ou"),
        ("json_endpoint", {"url": "http://h", "server": "any", "path": "/?key=secret",
                           "outputs": "y:bool"}, "path is a plain path"),
        ("json_endpoint", {"url": "http://h", "server": "any", "path": "predict",
                           "outputs": "y:bool"}, "begins with a slash"),
        ("json_endpoint", {"url": "http://h", "server": "any", "path": "/", "model": "m"},
         "no option 'model'"),
        ("torchserve", {"outputs": "y:bool", "token": "secret"}, "has no option 'token'"),
    ],
)  # fmt: skip
def test_options_that_are_none(runtime: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        adapter(runtime, "onnx").check(options)
    assert "secret" not in str(caught.value)


def test_a_server_that_has_gone(served: Pages) -> None:
    with serving(torchserve_pages("twice", rows)) as torch:
        session = opened_torch(torch)
    with pytest.raises(ConnectionRefusedError):
        session.run({"x": floats(1)})
    assert "ConnectionRefusedError" in who("torchserve", torch)
    session = opened(served)
    served.pages[PREDICT] = 200, {"Content-Length": "1000"}, b'{"outputs": [1.0'
    with pytest.raises(Exception, match="IncompleteRead"):
        session.run({"x": floats(1)})
