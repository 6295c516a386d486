"""Data sets become cases; data that cannot be used are told; hostile files do no harm."""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pytest_modelcompat.checks import parity
from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.matrix.model import (
    Calls,
    CheckEntry,
    Data,
    Image,
    Model,
    Producer,
    Tolerance,
)
from pytest_modelcompat.worker.bundle import Bundle

X = np.float32([[1, 2], [3, 4]])


def save_model(path: Path, *, external: str | None = None, kind=TensorProto.FLOAT) -> Path:
    """A model with two inputs, one of them with an initializer, and two outputs."""
    weight = numpy_helper.from_array(X, "w")
    if external is not None:
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        entry = weight.external_data.add()
        entry.key, entry.value = "location", external
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "w"], ["y"]), helper.make_node("Relu", ["0"], ["z"])],
        "g",
        [helper.make_tensor_value_info(name, kind, [2, 2]) for name in ("w", "a", "0")],
        [helper.make_tensor_value_info(name, kind, [2, 2]) for name in ("y", "z")],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def model(tmp_path):
    (tmp_path / "m").mkdir()
    return save_model(tmp_path / "m" / "net.onnx")


def npz(path: Path, **arrays) -> Path:
    np.savez(path, **arrays)
    return path


def plan(tmp_path, *models, **more):
    entry = CheckEntry(check="parity", models=models, **more)
    return parity.workload(entry, folder=tmp_path / "cache")


def the_case(found, n=0):
    case = found.cases[n]
    bundle = Bundle.open(found.bundles[case.bundle])
    return bundle, case.index


def problem_of(tmp_path, *models) -> str:
    with pytest.raises(UsageProblem) as caught:
        plan(tmp_path, *models)
    for problem in caught.value.problems:
        assert problem.message.endswith(".")
        assert str(tmp_path) not in str(problem)
    return "\n".join(map(str, caught.value.problems))


# .npz --------------------------------------------------------------------------------------------


def test_labels_go_with_the_data_in_each_way_of_calling(tmp_path, model):
    given = Data(
        inputs=npz(tmp_path / "in.npz", a=X, **{"0": X}),
        labels=npz(tmp_path / "y.npz", whatever=np.int8([[3], [-1]])),
    )
    whole = replace(given, calls=(Calls(kind="batch", size=1),))
    found = plan(tmp_path, Model(name="n", path=model, data=whole))
    told = [bundle.case(at)["labels"] for bundle, at in (the_case(found, n) for n in (0, 1))]
    assert told == [[3, -1], [3, -1]]
    other = plan(tmp_path, Model(name="n", path=model, data=replace(given, labels=None)))
    assert "labels" not in the_case(other)[0].case(0)
    assert other.digest != found.digest


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"y": np.float32([1, 2])}, "The array of 'y.npz' does not hold whole numbers."),
        ({"y": np.array(["a", "b"])}, "The array of 'y.npz' does not hold whole numbers."),
        ({"a": np.int8([1]), "b": np.int8([1])}, "'y.npz' holds 2 arrays that are not the right"),
        ({}, "'y.npz' holds 0 arrays that are not the right class of each row."),
    ],
)
def test_labels_are_one_array_of_whole_numbers(tmp_path, model, arrays, words):
    data = Data(
        inputs=npz(tmp_path / "in.npz", a=X, **{"0": X}), labels=npz(tmp_path / "y.npz", **arrays)
    )
    assert words in problem_of(tmp_path, Model(name="n", path=model, data=data))


def test_arrays_become_values_by_name(tmp_path, model):
    data = Data(
        inputs=npz(tmp_path / "labels-in.npz", a=X, **{"0": X + 1}),
        outputs=npz(tmp_path / "labels-out.npz", y=X + 2),
    )
    found = plan(tmp_path, Model(name="labels", path=model, data=data))
    (case,) = found.cases
    assert (case.unit, case.name) == ("labels", "labels/labels-in")
    assert (case.opset, case.not_run) == (17, "")
    assert case.reference == {"kind": "data", "source": "labels-out.npz"}
    bundle, at = the_case(found)
    inputs, outputs = dict(bundle.inputs(at)), dict(bundle.outputs(at))
    assert set(inputs) == {"a", "0"}  # a name of the graph is a name, though it looks like a place
    assert inputs["a"].shape == (2, 2)
    assert bytes(inputs["a"].data) == X.tobytes()
    assert list(outputs) == ["y"]
    about = bundle.case(at)
    assert about["model"] == {"file": "labels/net.onnx"}
    assert (about["opset"], about["imports"], about["quantized"]) == (17, {"ai.onnx": 17}, {})
    assert found.models == (("labels/net.onnx", model),)


@pytest.mark.parametrize("key", ["a1", "arr_x", "-1"])
def test_arrays_that_are_no_input_are_told(tmp_path, model, key):
    data = Data(inputs=npz(tmp_path / "in.npz", a=X, **{key: X}))
    said = problem_of(tmp_path, Model(name="n", path=model, data=data))
    assert f"The array {key!r} in 'in.npz' is no input of the model 'n'." in said


def test_an_input_with_a_value_of_its_own_may_be_given(tmp_path, model):
    data = Data(inputs=npz(tmp_path / "in.npz", a=X, w=X))
    bundle, at = the_case(plan(tmp_path, Model(name="n", path=model, data=data)))
    assert [name for name, _ in bundle.inputs(at)] == ["a", "w"]


@pytest.mark.parametrize(("key", "place"), [("1", 1), ("arr_0", 0), ("007", 7)])
def test_keys_that_are_no_names_are_positions(tmp_path, model, key, place):
    data = Data(inputs=npz(tmp_path / "in.npz", **{key: X}))
    bundle, at = the_case(plan(tmp_path, Model(name="n", path=model, data=data)))
    assert [name for name, _ in bundle.inputs(at)] == [place]
    assert bundle.outputs(at) is None


@pytest.mark.parametrize(
    ("array", "dtype", "data"),
    [
        (np.float16([1.5]), "float16", None),
        (np.float64(1.5), "float64", None),
        (np.bool_([True, False]), "bool", b"\1\0"),
        (np.uint64([2**64 - 1]), "uint64", None),
        (np.int8([[-1]]), "int8", None),
        (np.complex64([1 + 2j]), "complex64", None),
        (np.array([1, 2], ">i4"), "int32", b"\1\0\0\0\2\0\0\0"),
        (np.asfortranarray(np.int16([[1, 2], [3, 4]])), "int16",
         np.int16([1, 2, 3, 4]).tobytes()),
        (np.zeros((0, 3), np.float32), "float32", b""),
        (np.array(["a", "äö"]), "string", [b"a", "äö".encode()]),
        (np.array([[b"x", b"yz"]]), "string", [b"x", b"yz"]),
        (np.array("one"), "string", [b"one"]),
    ],
)  # fmt: skip
def test_every_type_that_numpy_has_is_read(tmp_path, model, array, dtype, data):
    found = plan(
        tmp_path,
        Model(name="n", path=model, data=Data(inputs=npz(tmp_path / "in.npz", a=array))),
    )
    bundle, at = the_case(found)
    ((_, value),) = bundle.inputs(at)
    assert (value.dtype, value.shape) == (dtype, array.shape)
    assert (list(value.data) if dtype == "string" else bytes(value.data)) == (
        array.tobytes() if data is None else data
    )


class Bomb:
    def __reduce__(self):
        return (os.abort, ())


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.array([Bomb()], object), "never unpickled"),
        (np.array(["2026-11-21"], "datetime64[D]"), "datetime64"),
        (np.array([(1, 2.0)], [("a", int), ("b", float)]), "[('a', '<i8'), ('b', '<f8')]"),
        (np.array([b"ab"], "V2"), "V2"),
    ],
)
def test_arrays_that_are_no_tensors_are_refused(tmp_path, model, array, said):
    data = Data(inputs=npz(tmp_path / "in.npz", a=array))
    told = problem_of(tmp_path, Model(name="n", path=model, data=data))
    assert said in told
    assert "'a' in 'in.npz'" in told


def broken_archive(path: Path, content: bytes, name="a.npy") -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, content)


def test_damaged_files_are_told_and_nothing_is_raised(tmp_path, model):
    def told(make) -> str:
        path = tmp_path / "in.npz"
        make(path)
        return problem_of(tmp_path, Model(name="n", path=model, data=Data(inputs=path)))

    buffer = io.BytesIO()
    np.save(buffer, X)
    whole = io.BytesIO()
    np.savez(whole, a=X)
    for make in (
        lambda path: None,  # not there
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\x80\x04K\x01."),  # a pickle
        lambda path: path.write_bytes(buffer.getvalue()),  # an .npy
        lambda path: path.write_bytes(whole.getvalue()[:-30]),
        lambda path: path.write_bytes(whole.getvalue().replace(X.tobytes(), bytes(16))),
        lambda path: broken_archive(path, b"\x93NUMPY\x09\x00garbage"),
        lambda path: broken_archive(path, buffer.getvalue()[:-4]),
        lambda path: broken_archive(path, b"\x93NUMPY\x01\x00\x10\x00{'descr': __imp}"),
        lambda path: broken_archive(path, b"text", name="readme.txt"),
    ):
        assert "'in.npz'" in told(make)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, model, monkeypatch):
    monkeypatch.setattr("pytest_modelcompat.checks.datasets._SIZE", 100)
    data = Data(inputs=npz(tmp_path / "in.npz", a=X))
    assert "when unpacked" in problem_of(tmp_path, Model(name="n", path=model, data=data))


def test_a_file_without_arrays_is_refused_where_the_model_has_inputs(tmp_path, model):
    data = Data(inputs=npz(tmp_path / "in.npz"))
    said = problem_of(tmp_path, Model(name="n", path=model, data=data, line=7))
    assert said.startswith("7: ")
    assert "'in.npz' holds no array, and the model 'n' has inputs: 'a', '0'." in said


def test_a_file_without_arrays_is_refused_where_nobody_knows_the_inputs(tmp_path):
    data = Data(inputs=npz(tmp_path / "in.npz"))
    for name in ("net.tflite", "damaged.onnx"):
        (tmp_path / name).write_bytes(b"\xff" * 16)
        said = problem_of(tmp_path, Model(name="n", path=tmp_path / name, data=data))
        assert "'in.npz' holds no array for the model 'n'." in said


@pytest.mark.parametrize("given", [[], ["w"], ["o"]])
def test_a_file_without_arrays_is_fine_where_the_model_needs_none(tmp_path, given):
    """It has no inputs at all, or only one with a value of its own, or only an optional."""
    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, [2, 2])
    kinds = {"w": tensor, "o": helper.make_optional_type_proto(tensor)}
    graph = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["y"])],
        "g",
        [helper.make_value_info(name, kinds[name]) for name in given],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 2])],
        [numpy_helper.from_array(X, "w")],
    )
    path = tmp_path / "net.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    data = Data(inputs=npz(tmp_path / "in.npz"), outputs=npz(tmp_path / "out.npz", y=X))
    found = plan(tmp_path, Model(name="n", path=path, data=data))
    bundle, at = the_case(found)
    assert bundle.inputs(at) == []


def test_a_fifo_is_not_waited_for(tmp_path, model):
    os.mkfifo(tmp_path / "in.npz")
    data = Data(inputs=tmp_path / "in.npz")
    assert "not a plain file" in problem_of(tmp_path, Model(name="n", path=model, data=data))


def test_all_problems_are_told_at_once(tmp_path, model):
    bad = Data(inputs=tmp_path / "absent.npz")
    told = problem_of(
        tmp_path,
        Model(name="one", path=model, data=bad, line=3),
        Model(name="two", path=tmp_path / "absent.onnx", line=9),
        Model(name="three", path=model, data=Data(outputs=tmp_path / "x.npz")),
        Model(name="four", path=model, data=Data(folder=tmp_path / "m")),
    )
    assert [line.partition(":")[0] for line in told.splitlines()[:2]] == ["3", "9"]
    for part in ("absent.npz", "'two'", "outputs and no inputs", "no data set"):
        assert part in told


# test_data_set_N ---------------------------------------------------------------------------------


def data_set(folder: Path, number: int, **files) -> None:
    place = folder / f"test_data_set_{number}"
    place.mkdir(parents=True)
    for name, proto in files.items():
        (place / f"{name}.pb").write_bytes(proto.SerializeToString())


def tensor(array, name="") -> TensorProto:
    return numpy_helper.from_array(array, name)


def test_folders_are_read_by_number_in_graph_order(tmp_path, model):
    folder = tmp_path / "data"
    for number in (10, 2):
        data_set(folder, number, input_0=tensor(X + number), input_1=tensor(X), output_0=tensor(X),
                 output_1=tensor(X * 2))  # fmt: skip
    (folder / "test_data_set_x").mkdir()
    (folder / "test_data_set_3").mkdir()
    found = plan(tmp_path, Model(name="n", path=model, data=Data(folder=folder)))
    assert [each.name for each in found.cases] == ["n/test_data_set_2", "n/test_data_set_10"]
    assert found.cases[0].reference == {"kind": "data", "source": "test_data_set_2"}
    bundle, at = the_case(found)
    # `w` has an initializer: it is no input that a data set holds.
    assert [name for name, _ in bundle.inputs(at)] == ["a", "0"]
    assert [name for name, _ in bundle.outputs(at)] == ["y", "z"]
    assert bytes(bundle.inputs(at)[0][1].data) == (X + 2).tobytes()


def test_a_folder_may_be_one_data_set_and_have_no_outputs(tmp_path, model):
    data_set(tmp_path, 4, input_0=tensor(X))
    found = plan(
        tmp_path, Model(name="n", path=model, data=Data(folder=tmp_path / "test_data_set_4"))
    )
    assert found.cases[0].name == "n/test_data_set_4"
    assert found.cases[0].reference == {"kind": "onnx"}
    bundle, at = the_case(found)
    assert bundle.outputs(at) is None


def test_more_files_than_the_graph_has_inputs_stay_positions(tmp_path, model):
    data_set(tmp_path, 0, input_0=tensor(X), input_5=tensor(X))
    found = plan(
        tmp_path, Model(name="n", path=model, data=Data(folder=tmp_path / "test_data_set_0"))
    )
    bundle, at = the_case(found)
    assert [name for name, _ in bundle.inputs(at)] == ["a", 5]


def test_types_that_numpy_lacks_come_in_folders(tmp_path):
    place = tmp_path / "m"
    place.mkdir()
    model = save_model(place / "net.onnx", kind=TensorProto.BFLOAT16)
    half = helper.make_tensor("", TensorProto.BFLOAT16, [2], [1.0, 2.0])
    data_set(tmp_path, 0, input_0=half)
    found = plan(tmp_path, Model(name="n", path=model, data=Data(folder=tmp_path)))
    bundle, at = the_case(found)
    ((_, value),) = bundle.inputs(at)
    assert (value.dtype, bytes(value.data)) == ("bfloat16", b"\x80\x3f\x00\x40")


@pytest.mark.parametrize("content", [b"", b"\xff" * 9, b"\x0a", b"\x08\x02\x10\x01"])
def test_files_that_are_no_values_are_told(tmp_path, model, content):
    data_set(tmp_path, 0, input_0=tensor(X))
    (tmp_path / "test_data_set_0" / "input_0.pb").write_bytes(content)
    told = problem_of(tmp_path, Model(name="n", path=model, data=Data(folder=tmp_path)))
    assert "'test_data_set_0/input_0.pb'" in told


def test_a_fifo_in_a_data_set_is_not_waited_for(tmp_path, model):
    (tmp_path / "test_data_set_0").mkdir()
    os.mkfifo(tmp_path / "test_data_set_0" / "input_0.pb")
    told = problem_of(tmp_path, Model(name="n", path=model, data=Data(folder=tmp_path)))
    assert "not a plain file" in told


# Random sets and references ----------------------------------------------------------------------


def test_random_sets_are_made_later_from_what_is_said_here(tmp_path, model):
    data = Data(random=2, seed=5, dims=(("batch", 2),))
    found = plan(tmp_path, Model(name="n", path=model, data=data))
    assert [each.name for each in found.cases] == ["n/random-0", "n/random-1"]
    for n in range(2):
        bundle, at = the_case(found, n)
        assert bundle.case(at)["random"] == {"seed": 5, "dims": {"batch": 2}, "n": n}
        assert bundle.inputs(at) == []
        assert bundle.outputs(at) is None
    given = plan(
        tmp_path, Model(name="n", path=model, data=Data(inputs=npz(tmp_path / "i.npz", a=X)))
    )
    bundle, at = the_case(given)
    assert "random" not in bundle.case(at)


@pytest.mark.parametrize(
    ("reference", "name", "wanted"),
    [
        (None, "net.onnx", {"kind": "onnx"}),
        ("onnx", "net.onnx", {"kind": "onnx"}),
        ("none", "net.onnx", None),
        ("consensus", "net.onnx", {"kind": "consensus"}),
        ("cell:a:b", "net.onnx", {"kind": "cell", "source": "a:b"}),
        (None, "net.tflite", None),
        (None, "net.pt", None),
        ("consensus", "net.tflite", {"kind": "consensus"}),
    ],
)
def test_what_a_case_is_judged_against(tmp_path, model, reference, name, wanted):
    path = model.with_name(name)
    path.write_bytes(model.read_bytes())
    found = plan(tmp_path, Model(name="n", path=path, reference=reference))
    assert found.cases[0].reference == wanted


def test_outputs_that_are_given_come_before_any_other_reference(tmp_path, model):
    both = Data(inputs=npz(tmp_path / "i.npz", a=X), outputs=npz(tmp_path / "o.npz", y=X))
    found = plan(tmp_path, Model(name="n", path=model, data=both, reference="consensus"))
    assert found.cases[0].reference == {"kind": "data", "source": "o.npz"}


# Files -------------------------------------------------------------------------------------------


def files_of(tmp_path, path: Path) -> dict[str, Path]:
    return dict(plan(tmp_path, Model(name="a b/ü..", path=path)).models)


def test_the_models_own_files_go_along_and_nothing_else(tmp_path):
    place = tmp_path / "m"
    (place / "sub").mkdir(parents=True)
    for name in ("weights.bin", "sub/more.bin", "other.bin"):
        (place / name).write_bytes(b"x" * 64)
    model = save_model(place / "net.onnx", external="weights.bin")
    assert files_of(tmp_path, model) == {
        "a_b_/net.onnx": model, "a_b_/weights.bin": place / "weights.bin",
    }  # fmt: skip
    save_model(model, external="sub/more.bin")
    assert files_of(tmp_path, model)["a_b_/sub/more.bin"] == place / "sub" / "more.bin"


def test_the_size_is_that_of_all_files_of_the_model(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "weights.bin").write_bytes(b"x" * 5000)
    (tmp_path / "m" / "other.bin").write_bytes(b"x" * 999)
    path = save_model(tmp_path / "m" / "net.onnx", external="weights.bin")
    data_set(tmp_path, 0, input_0=tensor(X), output_0=tensor(X))
    found = plan(tmp_path, Model(name="n", path=path, data=Data(folder=tmp_path)))
    assert found.cases[0].model_bytes == path.stat().st_size + 5000


@pytest.mark.parametrize(
    "location",
    ["../secret", "/etc/hostname", "sub/../../secret", "link", "hard", "fifo", "dirlink/secret",
     "sub", "", ".", "absent", "net.onnx", "nul\0l"],
)  # fmt: skip
def test_nothing_outside_of_the_models_folder_goes_along(tmp_path, location):
    place = tmp_path / "m"
    (place / "sub").mkdir(parents=True)
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (place / "link").symlink_to(secret)
    (place / "hard").hardlink_to(secret)
    (place / "dirlink").symlink_to(tmp_path)
    os.mkfifo(place / "fifo")
    model = save_model(place / "net.onnx", external=location)
    assert files_of(tmp_path, model) == {"a_b_/net.onnx": model}


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\x3a\xff\xff\xff\xff\x7f", b"onnx"])
def test_a_model_that_cannot_be_read_is_the_cells_business(tmp_path, model, content):
    model.write_bytes(content)
    data_set(tmp_path, 0, input_0=tensor(X), output_0=tensor(X))
    found = plan(tmp_path, Model(name="n", path=model, data=Data(folder=tmp_path)))
    bundle, at = the_case(found)
    assert [name for name, _ in bundle.inputs(at)] == [0]
    assert (found.cases[0].opset, bundle.case(at)["quantized"]) == (0, {})
    assert dict(found.models) == {"n/net.onnx": model}


def test_formats_of_several_files_are_whole(tmp_path):
    place = tmp_path / "ov"
    place.mkdir()
    (place / "net.xml").write_text("<net/>")
    assert files_of(tmp_path, place / "net.xml") == {"a_b_/net.xml": place / "net.xml"}
    (place / "net.bin").write_bytes(b"w")
    (place / "other.bin").write_bytes(b"w")
    assert set(files_of(tmp_path, place / "net.xml")) == {"a_b_/net.xml", "a_b_/net.bin"}
    saved = tmp_path / "saved"
    (saved / "variables").mkdir(parents=True)
    (saved / "saved_model.pb").write_bytes(b"s")
    (saved / "variables" / "v.data").write_bytes(b"v")
    (saved / "link").symlink_to(tmp_path)
    os.mkfifo(saved / "fifo")
    assert set(files_of(tmp_path, saved)) == {
        "a_b_/saved/saved_model.pb", "a_b_/saved/variables/v.data",
    }  # fmt: skip


def test_a_model_that_is_no_file_is_told(tmp_path):
    os.mkfifo(tmp_path / "net.onnx")
    assert "not a plain file" in problem_of(tmp_path, Model(name="n", path=tmp_path / "net.onnx"))


def test_models_with_one_slug_have_folders_of_their_own(tmp_path, model):
    found = plan(tmp_path, *(Model(name=name, path=model) for name in ("a b", "a/b", "a_b", "..")))
    assert [name for name, _ in found.models] == [
        "a_b/net.onnx", "a_b-2/net.onnx", "a_b-3/net.onnx", "model/net.onnx",
    ]  # fmt: skip
    assert len({each.bundle for each in found.cases}) == 4
    assert [each.unit for each in found.cases] == ["a b", "a/b", "a_b", ".."]


# Quantized outputs -------------------------------------------------------------------------------


def test_the_scale_of_quantized_outputs_is_known(tmp_path):
    scale, zero = numpy_helper.from_array(np.float32(0.25), "s"), numpy_helper.from_array(
        np.uint8(0), "z"
    )  # fmt: skip
    graph = helper.make_graph(
        [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
         helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
         helper.make_node("Relu", ["y"], ["r"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2]),
         helper.make_tensor_value_info("q", TensorProto.UINT8, [2]),
         helper.make_tensor_value_info("r", TensorProto.FLOAT, [2])],
        [scale, zero],
    )  # fmt: skip
    onnx.save(helper.make_model(graph), tmp_path / "q.onnx")
    found = plan(tmp_path, Model(name="n", path=tmp_path / "q.onnx"))
    bundle, at = the_case(found)
    assert bundle.case(at)["quantized"] == {"y": 0.25, "q": 1.0}


def test_the_files_of_a_model_are_told_by_their_digests(tmp_path):
    folder = tmp_path / "saved"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    found = plan(tmp_path, Model(name="n", path=folder, reference="none"))
    assert found.files == {
        "n": {
            "saved/saved_model.pb": sha256(b"graph").hexdigest(),
            "saved/variables/variables.index": sha256(b"index").hexdigest(),
        }
    }


# Built models ------------------------------------------------------------------------------------

BUILT = Model(
    name="net",
    build="models/net.py::build",
    producers=(
        Producer(framework="torch==2.13.0", export="onnx-dynamo", opset=("17", "18")),
        Producer(framework="skl2onnx==1.19.0", export="skl2onnx"),
    ),
    data=Data(random=1),
)


@pytest.fixture
def built(tmp_path):
    (tmp_path / "net.py").write_text("def build(): ...\n", "utf-8")
    return replace(BUILT, build=f"{tmp_path}/net.py::build")


def test_every_setting_of_a_built_model_is_planned(tmp_path, built):
    found = plan(tmp_path, built)
    assert [each.name for each in found.cases] == [
        "net/torch==2.13.0,onnx-dynamo,opset17/random-0",
        "net/torch==2.13.0,onnx-dynamo,opset18/random-0",
        "net/skl2onnx==1.19.0,skl2onnx/random-0",
    ]
    assert {each.unit for each in found.cases} == {"net"}
    assert [each.making for each in found.cases] == [0, 1, 2]
    assert found.cases[0].reference == {"kind": "producer"}
    assert found.models == ()
    assert [(each.label, each.opset) for each in found.makings] == [
        ("torch==2.13.0,onnx-dynamo,opset17", "17"),
        ("torch==2.13.0,onnx-dynamo,opset18", "18"),
        ("skl2onnx==1.19.0,skl2onnx", None),
    ]
    assert {each.build for each in found.makings} == {built.build}
    # equal data sets are one file, so that a file is made once whoever wants it
    assert len({found.bundles[each.bundle] for each in found.makings}) == 1


def test_settings_that_differ_in_their_environment_have_names_of_their_own(tmp_path, built):
    one = Producer(framework="torch==1.12.1", export="torchscript-trace")
    more = [
        one,
        replace(one, python="3.8"),
        replace(one, packages=("numpy<1.24", "pillow")),
        replace(one, image=Image(kind="docker", value="debian:bookworm")),
    ]
    found = plan(tmp_path, replace(built, producers=tuple(more)))
    assert [each.label for each in found.makings] == [
        "torch==1.12.1,torchscript-trace",
        "torch==1.12.1,torchscript-trace,python3.8",
        "torch==1.12.1,torchscript-trace,numpy<1.24,pillow",
        "torch==1.12.1,torchscript-trace,debian:bookworm",
    ]


def test_the_build_file_and_the_producer_decide_the_digest(tmp_path, built):
    first = plan(tmp_path, built)
    assert plan(tmp_path, built).digest == first.digest
    other = replace(built, producers=(replace(built.producers[0], python="3.12"),))
    seen = {first.digest, plan(tmp_path, other).digest}
    (tmp_path / "net.py").write_text("def build(): return 1\n", "utf-8")
    seen.add(plan(tmp_path, built).digest)
    assert len(seen) == 3
    assert "cannot be read" in problem_of(tmp_path, replace(built, build="/no/such.py::build"))


def test_only_a_producer_s_reference_takes_its_answers(tmp_path, built):
    inputs, outputs = npz(tmp_path / "i.npz", a=X), npz(tmp_path / "o.npz", y=X)
    for model, answers, given in (
        (built, True, False),
        (replace(built, reference="none"), False, False),
        (replace(built, reference="onnx"), False, False),
        (replace(built, data=Data(inputs=inputs)), True, False),
        (replace(built, data=Data(inputs=inputs, outputs=outputs)), False, True),
    ):
        bundle, at = the_case(plan(tmp_path, model))
        assert bundle.case(at)["answers"] is answers
        assert (bundle.outputs(at) is not None) is given


# The workload ------------------------------------------------------------------------------------


def test_the_digest_is_of_everything_that_decides_what_is_measured(tmp_path, model):
    inputs = npz(tmp_path / "i.npz", a=X)
    base = Model(name="n", path=model, data=Data(inputs=inputs))
    first = plan(tmp_path, base)
    assert plan(tmp_path, base) == first
    assert first.bundles[0].parent == tmp_path / "cache"
    assert len(list((tmp_path / "cache").iterdir())) == 1
    seen = {first.digest}
    seen.add(plan(tmp_path, base, repeats=2).digest)
    npz(inputs, a=X + 1)
    seen.add(plan(tmp_path, base).digest)
    npz(inputs, a=X)
    assert plan(tmp_path, base).digest == first.digest
    model.write_bytes(model.read_bytes() + b"\x32\x01x")
    seen.add(plan(tmp_path, base).digest)
    assert len(seen) == 4
    judged = plan(tmp_path, base, tolerance=(("float32", Tolerance(ulp=1)),))
    assert judged.digest in seen
    assert judged.tolerances == (("float32", Tolerance(ulp=1)),)


def test_external_data_take_part_in_the_digest(tmp_path):
    place = tmp_path / "m"
    place.mkdir()
    (place / "w.bin").write_bytes(b"1" * 16)
    model = save_model(place / "net.onnx", external="w.bin")
    one = plan(tmp_path, Model(name="n", path=model)).digest
    (place / "w.bin").write_bytes(b"2" * 16)
    assert plan(tmp_path, Model(name="n", path=model)).digest != one


def test_the_order_of_models_and_sets_is_kept(tmp_path, model):
    data = Data(random=2)
    found = plan(
        tmp_path,
        Model(name="z", path=model, data=data),
        Model(name="a", path=model, data=data),
        repeats=4,
    )
    assert [each.name for each in found.cases] == [
        "z/random-0", "z/random-1", "a/random-0", "a/random-1",
    ]  # fmt: skip
    assert (found.repeats, found.check) == (4, "parity")
