"""Served models: what goes over the wire, and that no fault of a server is taken for an answer."""

from __future__ import annotations

import re
import shutil
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_modelcompat.matrix.load import load_matrix
from pytest_modelcompat.worker.runtimes import adapter
from pytest_modelcompat.worker.runtimes._served_http import ServerError
from pytest_modelcompat.worker.values import Value
from tests.served import Served, json_of, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "matrices" / "models" / "digits-cnn"
INFER = ("POST", "/v2/models/twice/infer")
NAN, INF = float("nan"), float("inf")


def tensor(name: str, datatype: str, shape: list[int], data: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def declared(name: str, datatype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape}


def twice(name: str, request: Any) -> Any:
    """The doubles of the only input."""
    [given] = request["inputs"]
    return [{**given, "name": "y", "data": [2 * item for item in given["data"]]}]


def floats(*numbers: float, shape: tuple[int, ...] | None = None) -> Value:
    data = struct.pack(f"<{len(numbers)}f", *numbers)
    return Value.tensor("float32", shape or (len(numbers),), data)


@pytest.fixture
def served() -> Iterator[Served]:
    metadata = {
        "name": "twice", "versions": ["3"], "platform": "none",
        "inputs": [declared("x", "FP32", [-1])], "outputs": [declared("y", "FP32", [-1])],
    }  # fmt: skip
    with serving(Served(infer=twice, models={"twice": metadata})) as found:
        yield found


def opened(served: Served, **options: str) -> Any:
    made = adapter("kserve", "sundial")
    return made.load("models/twice.onnx", "served", {"url": served.url, "threads": "1", **options})


def who(served: Served, provider: str = "served", **options: str) -> Any:
    told = {"url": served.url, "server": "Sundial==1.5", **options}
    return adapter("kserve", "onnx").unavailable(provider, told)


# What goes over the wire -----------------------------------------------------------------------


def test_a_right_answer(served: Served) -> None:
    session = opened(served)
    session.assign()
    assert session.inputs() == ["x"]
    assert session.signature() == [("x", "float32", ("",))]
    [(name, found)] = session.run({"x": floats(1, -0.5, 0.1)})
    assert (name, found) == ("y", floats(2, -1, 0.2))
    assert session.placement() is None
    assert session.opset() == 0
    session.close()
    method, path, body = served.asked[-1]
    assert (method, path) == INFER
    assert body["inputs"][0]["shape"] == [3]


@pytest.mark.parametrize(
    ("dtype", "datatype", "code", "numbers"),
    [
        ("bool", "BOOL", "?", [True, False]),
        ("int8", "INT8", "b", [-128, 127]),
        ("int16", "INT16", "h", [-32768, 32767]),
        ("int32", "INT32", "i", [-(2**31), 2**31 - 1]),
        ("int64", "INT64", "q", [-(2**63), 2**63 - 1]),
        ("uint8", "UINT8", "B", [0, 255]),
        ("uint16", "UINT16", "H", [0, 65535]),
        ("uint32", "UINT32", "I", [0, 2**32 - 1]),
        ("uint64", "UINT64", "Q", [0, 2**64 - 1]),
        ("float16", "FP16", "e", [65504.0, 6e-8]),
        ("float32", "FP32", "f", [3.4028234663852886e38, 0.1]),
        ("float64", "FP64", "d", [1.7976931348623157e308, 0.1]),
        ("float32", "FP32", "f", [NAN, INF]),
        ("float64", "FP64", "d", [-INF, -0.0]),
    ],
)
def test_numbers_come_back_bit_by_bit(
    served: Served, dtype: str, datatype: str, code: str, numbers: list[Any]
) -> None:
    served.infer = lambda name, request: [{**request["inputs"][0], "name": "y"}]
    for side, name in (("inputs", "x"), ("outputs", "y")):
        served.models["twice"][side] = [declared(name, datatype, [1, 2])]
    given = Value.tensor(dtype, (1, 2), struct.pack(f"<2{code}", *numbers))
    assert opened(served).run({"x": given}) == [("y", given)]
    assert served.asked[-1][2]["inputs"][0]["datatype"] == datatype


def test_texts(served: Served) -> None:
    served.infer = lambda name, request: [{**request["inputs"][0], "name": "y"}]
    served.models["twice"].update(inputs=[], outputs=[])  # a server need not tell
    given = Value.tensor("string", (2,), ["wörd".encode(), b""])
    session = opened(served)
    assert session.run({"x": given}) == [("y", given)]
    with pytest.raises(ValueError, match="does not tell the inputs of 'twice'"):
        session.signature()
    with pytest.raises(TypeError, match="takes text in JSON"):
        session.run({"x": Value.tensor("string", (1,), [b"\xff"])})


def test_nested_data_are_rows(served: Served) -> None:
    served.models["twice"]["outputs"] = [declared("y", "FP32", [2, -1])]
    served.infer = lambda name, request: [tensor("y", "FP32", [2, 2], [[1, 2], [3, 4]])]
    assert opened(served).run({"x": floats(1)}) == [("y", floats(1, 2, 3, 4, shape=(2, 2)))]


def test_outputs_are_told_in_the_order_of_the_metadata(served: Served) -> None:
    served.models["twice"]["outputs"] = [declared(name, "FP32", [1]) for name in "yz"]
    served.infer = lambda name, request: [tensor(name, "FP32", [1], [1]) for name in "azy"]
    assert [name for name, _ in opened(served).run({"x": floats(1)})] == ["y", "z", "a"]


@pytest.mark.parametrize(
    ("feeds", "words"),
    [
        ({}, "inputs without a value: x"),
        ({"x": Value.tensor("float64", (1,), bytes(8))}, "declared FP32, and is FP64"),
        ({"x": floats(1, shape=(1, 1))}, r"declared of shape \[-1\], and is of \[1, 1\]"),
        ({"x": Value.sequence([])}, "kserve takes tensors, not a sequence"),
        ({"x": Value.tensor("bfloat16", (1,), bytes(2))}, "kserve takes no bfloat16"),
    ],
)
def test_what_is_not_sent(served: Served, feeds: dict[str, Value], words: str) -> None:
    session = opened(served)
    with pytest.raises((ValueError, TypeError), match=words):
        session.run(feeds)
    assert INFER not in [(method, path) for method, path, _ in served.asked]


# Answers that are none -------------------------------------------------------------------------

Y = tensor("y", "FP32", [1], [1.0])


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ([{**Y, "datatype": "FLOAT"}], "output 'y' is of datatype 'FLOAT'"),
        ([{**Y, "shape": [2]}], r"output 'y' has 1 elements for shape \[2\]"),
        ([{**Y, "shape": [-1]}], r"output 'y' is of shape \[-1\]"),
        ([{**Y, "shape": [True]}], r"output 'y' is of shape \[True\]"),
        ([tensor("y", "FP32", [2, 3], [[1, 2], [3, 4], [5, 6]])], "nested otherwise"),
        ([{**Y, "data": [None]}], "output 'y' of FP32 holds None, which is none"),
        ([{**Y, "data": ["NaN"]}], "holds 'NaN', which is none"),
        ([{**Y, "data": [True]}], "holds True, which is none"),
        ([{**Y, "data": [1e39]}], "output 'y' of FP32 holds a number beyond it"),
        ([{**Y, "data": [10**400]}], "output 'y' of FP32 holds a number beyond it"),
        ([tensor("y", "UINT8", [1], [256])], "output 'y' of UINT8 holds a number beyond it"),
        ([tensor("y", "INT64", [1], [1.0])], "output 'y' of INT64 holds 1.0, which is none"),
        ([tensor("y", "BOOL", [1], [1])], "output 'y' of BOOL holds 1, which is none"),
        ([tensor("y", "BYTES", [1], [1])], "of BYTES holds what is no text"),
        ([{"name": "y", "datatype": "FP32", "shape": [1]}], "output 'y' has no data"),
        ([{"datatype": "FP32"}], "an output without a name"),
        ([], "outputs without a value: y"),
        ([{**Y, "name": "z"}], "outputs without a value: y"),
        ([Y, Y], "an output twice: y, y"),
        ("nothing", "an answer without outputs"),
    ],
)
def test_an_answer_that_contradicts_itself(served: Served, outputs: Any, words: str) -> None:
    served.infer = lambda name, request: outputs
    session = opened(served)
    with pytest.raises((ValueError, ServerError), match=words):
        session.run({"x": floats(1)})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (json_of({"error": "NOT_IMPLEMENTED : no such kernel"}, 500),
         "POST .*: 500 Internal Server Error: NOT_IMPLEMENTED : no such kernel$"),
        (json_of({"detail": "out of cheese"}, 400), "400 Bad Request: out of cheese$"),
        ((503, {}, b"<h1>busy</h1>"), "503 Service Unavailable: <h1>busy</h1>"),
        ((500, {}, b"Traceback" + b"." * 9000 + b"Error: last"), "Traceback.*Error: last"),
        ((204, {}, b""), "204 No Content: "),
        ((302, {"Location": "/v2/models/other/infer"}, b""), "302 Found: "),
        ((200, {}, b"<html>hello"), "no JSON .*<html>hello"),
        ((200, {}, b"[" * 100_000), "no JSON"),
        ((200, {}, b"\xff"), "no JSON"),
        ((200, {}, b"[1]"), "no JSON object"),
        (json_of({"model_name": "other", "outputs": [Y]}), "answered by 'other'"),
        (json_of({"outputs": [Y]}), "answered by None"),
    ],
)  # fmt: skip
def test_a_refusal_is_told_in_the_servers_words(served: Served, answer: Any, words: str) -> None:
    session = opened(served)
    served.instead[INFER] = answer
    with pytest.raises(ServerError, match=f"(?s){words}"):
        session.run({"x": floats(1)})
    assert [path for _, path, _ in served.asked][-1] == INFER[1]  # nobody else was asked


def test_an_answer_that_is_cut(served: Served) -> None:
    session = opened(served)
    served.instead[INFER] = 200, {"Content-Length": "1000"}, b'{"model_name": "twice", "out'
    with pytest.raises(Exception, match="IncompleteRead"):
        session.run({"x": floats(1)})


def test_a_server_that_has_gone() -> None:
    with serving(Served(infer=twice, models={"twice": {"name": "twice"}})) as served:
        session = opened(served)
    with pytest.raises(ConnectionRefusedError):
        session.run({"x": floats(1)})
    with pytest.raises(ConnectionRefusedError):
        opened(served)


def test_a_model_that_is_not_there(served: Served) -> None:
    with pytest.raises(ServerError, match=r"models/thrice/ready: 404 .*thrice not found"):
        opened(served, model="thrice")
    with pytest.raises(ServerError, match="404"):
        opened(served, model_version="9")
    served.instead["GET", "/v2/models/twice/ready"] = json_of({"error": "loading"}, 400)
    with pytest.raises(ServerError, match="400 Bad Request: loading"):
        opened(served)
    served.instead.clear()
    served.models["twice"]["name"] = "other"
    with pytest.raises(ServerError, match="asked for model 'twice', told of 'other'"):
        opened(served)
    served.models["twice"].update(name="twice", inputs=["x"])
    with pytest.raises(ServerError, match="metadata with inputs 'x'"):
        opened(served)
    with pytest.raises(TypeError, match="needs the option model"):
        adapter("kserve", "sundial").load(b"", "served", {"url": served.url})


# Who answers -----------------------------------------------------------------------------------


def test_the_server_is_the_one_that_was_asked_for(served: Served) -> None:
    assert who(served) is None
    assert who(served, server="sundial") is None
    assert who(served, server="sundial==1.4") == f"{served.url} is sundial 1.5, not sundial 1.4"
    assert who(served, server="moondial") == f"{served.url} is sundial 1.5, not moondial"
    assert who(served, provider="cpu") == "kserve has no provider cpu"
    from onnx import __version__ as installed  # noqa: PLC0415 - of the default only

    told = {"url": served.url}  # the distribution of the cell, as installed
    assert f"is sundial 1.5, not onnx {installed}" in adapter("kserve", "onnx").unavailable(
        "served", told
    )
    served.metadata = {"name": "onnx", "version": installed}
    assert adapter("kserve", "onnx").unavailable("served", told) is None


def test_a_version_of_a_model(served: Served) -> None:
    place = "/v2/models/twice/versions/3"
    served.instead["GET", place + "/ready"] = 200, {}, b""
    served.instead["GET", place] = json_of(served.models["twice"])
    for version, right in (("3", True), ("4", False)):
        answer = {"model_name": "twice", "model_version": version, "outputs": [Y]}
        served.instead["POST", place + "/infer"] = json_of(answer)
        session = opened(served, model_version="3")
        if right:
            assert session.run({"x": floats(1)}) == [("y", floats(1))]
        else:
            with pytest.raises(ServerError, match="asked version '3', answered by '4'"):
                session.run({"x": floats(1)})


def test_the_attestation_says_who_answers(served: Served) -> None:
    made = adapter("kserve", "onnx")
    found = made.about({"url": served.url, "model": "twice"})["server"]
    assert (found["url"], found["name"], found["version"]) == (served.url, "sundial", "1.5")
    assert found["model"]["versions"] == ["3"]
    assert made.about({"url": "ftp://x"}) == {}
    asked = len(served.asked)
    made.unavailable("served", {"url": served.url, "model": "twice"})
    assert len(served.asked) == asked, "another server may answer the second time"


@pytest.mark.parametrize(
    ("place", "answer", "words"),
    [
        ("/v2/health/ready", json_of({"error": "warming up"}, 503), "503 .*: warming up"),
        ("/v2", json_of({}, 404), "404 Not Found"),
        ("/v2", (200, {}, b"hello"), "no JSON"),
        ("/v2", (301, {"Location": "/elsewhere"}, b""), "301 Moved Permanently"),
        ("/v2/models/twice", json_of({"error": "no model"}, 404), "no model"),
    ],
)
def test_a_server_that_does_not_say_who_it_is(
    served: Served, place: str, answer: Any, words: str
) -> None:
    served.instead["GET", place] = answer
    said = who(served, model="twice")
    assert said.startswith(f"{served.url}: ServerError: GET {place}: ")
    assert re.search(words, said)


def test_nobody_listens() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        made = adapter("kserve", "onnx")
        assert made.about({"url": url}) == {}
        said = made.unavailable("served", {"url": url})
    assert said.startswith(f"{url}: ConnectionRefusedError: ")


def test_no_proxy_comes_between(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert who(served) is None
    assert opened(served).run({"x": floats(1)}) == [("y", floats(2))]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "kserve needs the option url"),
        ({"url": "localhost:8080"}, "url is http://HOST:PORT"),
        ({"url": "file:///etc/passwd"}, "url is http://HOST:PORT"),
        ({"url": "ftp://me:secret@host"}, "url is http://HOST:PORT"),
        ({"url": "http://me:secret@host"}, "no name, password, query or fragment"),
        ({"url": "http://host?token=secret"}, "no name, password, query or fragment"),
        ({"url": "http://host:port"}, "Port could not be cast"),
        ({"url": "http://host", "model": "../admin"}, "model is a name"),
        ({"url": "http://host", "model_version": "1/unload"}, "model_version is a name"),
        ({"url": "http://host", "graph_optimization": "all"}, "has no option"),
    ],
)
def test_options_that_are_none(options: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        adapter("kserve", "onnx").check(options)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("example", [0, 1])
def test_the_examples_of_the_page_load(tmp_path: Path, example: int) -> None:
    page = (ROOT / "docs" / "runtimes.md").read_text("utf-8")
    texts = re.findall(r"^```yaml\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE)
    assert len(texts) == 2
    shutil.copy(DIGITS / "model.onnx", tmp_path / "digits.onnx")
    shutil.copy(DIGITS / "model.onnx", tmp_path / "digits.pt")
    shutil.copytree(ROOT / "matrices" / "models" / "formats" / "saved-2.21.0", tmp_path / "digits")
    for name in ("inputs.npz", "holdout.npz", "expected.npz"):
        shutil.copy(DIGITS / "holdout.npz", tmp_path / name)
    (tmp_path / "m.yaml").write_text(texts[example], "utf-8")
    cells = load_matrix(tmp_path / "m.yaml").cells
    served = [cell for cell in cells if cell.provider == "served"]
    assert (len(cells), len(served)) == (3, 2)
    for cell in served:
        runtime = cell.framework.runtime
        assert runtime in {"kserve", "tf_serving", "torchserve"}
        adapter(runtime, cell.framework.distribution).check(dict(cell.options))
