"""What becomes of planned cases when their models were made, or were not; without any process."""
# ruff: noqa: PLR0917 - fixtures are no arguments that anybody passes

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_modelcompat.environments.protocol import Failure, Lock, Prepared
from pytest_modelcompat.errors import producers as words
from pytest_modelcompat.matrix.model import Producer
from pytest_modelcompat.results.judge import judge
from pytest_modelcompat.results.model import CellStatus, Measurement, Stage, Status
from pytest_modelcompat.runner import producers
from pytest_modelcompat.runner.attending import Ended
from pytest_modelcompat.runner.closing import unanswered
from pytest_modelcompat.runner.command import StoppedError
from pytest_modelcompat.runner.made import Made
from pytest_modelcompat.runner.making import Maker
from pytest_modelcompat.runner.measure import CellEnd
from pytest_modelcompat.runner.places import Places
from pytest_modelcompat.runner.plan import Making
from pytest_modelcompat.runner.settings import ExporterFile, Members
from pytest_modelcompat.worker import bundle
from pytest_modelcompat.worker.values import Value
from tests.unit.planned import a_case, a_cell, a_planned, a_workload

X = Value.tensor("float32", (1,), b"\0\0\x80\x3f")
PRODUCER = Producer(framework="torch==2.13.0", export="onnx-dynamo", opset=("18",), python="3.11")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    draft = tmp_path / "draft"
    cases = [{"name": "random-0", "unit": "", "model": {"file": ""}, "answers": True}]
    return draft.replace(tmp_path / f"{bundle.write(draft, {}, cases)}.bundle")


@pytest.fixture
def making(tmp_path: Path) -> Making:
    (tmp_path / "net.py").write_text("def build(): ...\n", "utf-8")
    return Making(
        label="torch==2.13.0,onnx-dynamo,opset18",
        build=f"{tmp_path}/net.py::build",
        producer=PRODUCER,
        opset="18",
        bundle=0,
    )


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    return Prepared(
        spec=producers.environment_of(PRODUCER, exclude_newer=None),
        python=("python",),
        python_version="3.11.7",
        lock=Lock(digest="d" * 64, text="", packages=()),
        folder=tmp_path,
        seconds={},
    )


def resolved(making: Making, data: Path, answer: Made | Failure):
    case = a_case("net/x/random-0", unit="net", making=0, reference={"kind": "producer"})
    work = a_workload([case], check="parity", bundles=(data,), makings=(making,))
    found = producers._with(work, [answer], Places())
    assert found.digest != work.digest
    return found


def test_a_case_gets_the_file_and_the_answers_of_its_producer(making, data, tmp_path):
    made = tmp_path / "made.bundle"
    cases = [
        {"name": "a", "unit": "", "model": {"file": "p/m.onnx"}, "outputs": [("y", X)], "opset": 18}
    ]
    bundle.write(made, {}, cases)
    answer = Made(
        key="k", bundle=made, files=(("p/m.onnx", made),), main="f" * 64, accuracy=(0.5,),
        info={"version": "2.13.0+cpu", "onnx": "1.20.1", "exporter": ""},
    )  # fmt: skip
    work = resolved(making, data, answer)
    (case,) = work.cases
    assert (case.bundle, case.index, case.opset, case.not_run) == (1, 0, 18, "")
    assert work.bundles == (data, made)
    assert work.models == (("p/m.onnx", made),)
    assert case.model_bytes == made.stat().st_size
    assert case.reference == {
        "kind": "producer",
        "source": making.label,
        "version": "2.13.0+cpu",
        "file": "f" * 64,
        "accuracy": 0.5,
        "with": {"onnx": "1.20.1"},
    }


@pytest.mark.parametrize(
    ("status", "stage"),
    [
        (CellStatus.UNSATISFIABLE, Stage.RESOLVE),
        (CellStatus.ENVIRONMENT_FAILED, Stage.INSTALL),
        (CellStatus.INFRASTRUCTURE_FAILED, Stage.INSTALL),
    ],
)
def test_an_environment_that_failed_is_an_error_at_its_stage(making, data, prepared, status, stage):
    failure = Failure(spec=prepared.spec, status=status, stage=stage, reason="no torch")
    (case,) = resolved(making, data, failure).cases
    assert case.failure is not None
    assert case.failure.stage is stage
    assert "no torch" in case.failure.error["message"]
    assert case.reference["version"] == "2.13.0"


def test_a_python_that_is_not_here_is_no_failure(making, data, prepared):
    failure = Failure(
        spec=prepared.spec, status=CellStatus.UNAVAILABLE, stage=Stage.START, reason="no 3.99"
    )
    (case,) = resolved(making, data, failure).cases
    assert case.failure is None
    assert case.not_run.endswith("no 3.99")


@pytest.mark.parametrize("stage", ["resolve", "install", "import", "produce", "check"])
@pytest.mark.parametrize("ended", ["raised", "crashed", "timed_out", "out_of_memory"])
def test_whatever_a_producer_dies_of_its_cases_are_errors(stage, ended):
    seen = Measurement(stage=Stage(stage), ended=ended, error={"message": "it ended"})
    found = judge(
        seen, outputs=[], expected=None, identical=False, tolerances=None, suite=None,
        requested="CPUExecutionProvider", runtime="onnxruntime",
    )  # fmt: skip
    assert (found.status, found.stage) == (Status.ERROR, Stage(stage))
    assert found.attribution == "exporter"
    assert found.attribution_detail == {"producer": f"{ended} at stage {stage}"}


@pytest.mark.parametrize(
    ("ended", "error", "signature"),
    [
        ("raised", {"type": "KeyError", "message": "no node 'x'"}, "no node 'NAME'"),
        ("raised", {"type": "KeyError"}, "KeyError"),
        ("raised", {}, "raised"),
        ("raised", None, "raised"),
        ("crashed", {"signal": "SIGSEGV", "type": "KeyError"}, "crashed: SIGSEGV"),
        ("crashed", {"exit_code": 3, "message": "out of luck"}, "crashed: exit 3: out of luck"),
        ("timed_out", {}, "timed_out"),
    ],
)
def test_the_signature_of_a_producer_s_failure_says_how_it_ended(ended, error, signature):
    seen = Measurement(stage=Stage.PRODUCE, ended=ended, error=error)
    found = judge(
        seen, outputs=[], expected=None, identical=False, tolerances=None, suite=None,
        requested="CPUExecutionProvider", runtime="onnxruntime",
    )  # fmt: skip
    assert found.signature == signature


def test_each_case_of_a_model_that_was_not_made_has_its_record():
    failure = Measurement(stage=Stage.PRODUCE, ended="raised", error={"message": "no"})
    cases = [a_case(f"case-{n}", making=0, failure=failure) for n in range(3)]
    planned = a_planned(a_cell(), a_workload(cases, check="parity"))
    found = list(
        unanswered(planned, CellEnd(status=CellStatus.COMPLETED), done=(), wanted=(0, 1, 2))
    )
    assert [(r.cell, r.n, r.check, r.case) for r in found] == [
        ("cell-a", n, "parity", f"case-{n}") for n in range(3)
    ]
    assert {r.judgement.status for r in found} == {Status.ERROR}


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (CellStatus.COMPLETED, Status.ERROR),
        (CellStatus.MISCONFIGURED, Status.ERROR),
        (CellStatus.ENVIRONMENT_FAILED, Status.NOT_RUN),
        (CellStatus.INTERRUPTED, Status.NOT_RUN),
    ],
)
def test_it_is_the_result_of_cells_that_started_only(end, status):
    failure = Measurement(stage=Stage.PRODUCE, ended="raised", error={"message": "no"})
    planned = a_planned(a_cell(), a_workload([a_case(making=0, failure=failure)], check="parity"))
    (record,) = unanswered(planned, CellEnd(status=end), done=(), wanted=(0,))
    assert record.judgement.status is status
    (other,) = unanswered(planned, CellEnd(status=end), done=(), wanted=())
    assert other.judgement.status is Status.NOT_RUN
    assert other.measurement.reason == "deselected"


# The maker ---------------------------------------------------------------------------------------


def ended(code: int | None = 0, stage: str = "done", printed: str = "") -> Ended:
    return Ended(code=code, stage=stage, printed=printed)


class Job:
    """Stands for the process: leaves files, ends as told, and counts."""

    def __init__(self, monkeypatch, **result):
        self.runs = 0
        self.ended = ended()
        self.result = {"stage": "done", "error": None, "info": {"version": "1"}, "main": "m.onnx",
                       "accuracy": [], "seconds": {}, **result}  # fmt: skip
        self.files = {"model/m.onnx": b"model"}
        monkeypatch.setattr(Maker, "_process", self.process)

    def process(self, making, data, prepared, *, key, folder, limit):
        self.runs += 1
        for name, content in self.files.items():
            path = folder / "out" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if self.result:
            bundle.write(folder / "out" / "data.bundle", {}, [
                {"name": "a", "unit": "", "model": {"file": "m"}, "outputs": [("y", X)]}
            ])  # fmt: skip
            (folder / "out" / "result.json").write_text(json.dumps(self.result), "utf-8")
        return self.ended


@pytest.fixture
def rooms(tmp_path: Path):
    @contextlib.contextmanager
    def room(name: str):
        folder = tmp_path / "rooms" / str(len(list(tmp_path.glob("rooms/*"))))
        folder.mkdir(parents=True)
        yield folder

    return room


def test_a_file_is_made_once(monkeypatch, tmp_path, rooms, making, data, prepared):
    job = Job(monkeypatch)
    first = Maker(tmp_path, rooms).make(making, data, prepared)
    assert first.failure is None
    assert [(name, path.read_bytes()) for name, path in first.files] == [
        (f"produced-{first.key[:16]}/m.onnx", b"model")
    ]
    assert Maker(tmp_path, rooms, fresh=True).make(making, data, prepared) == first
    assert job.runs == 1


@pytest.mark.parametrize("what", ["build", "opset", "lock", "python", "data", "framework"])
def test_whatever_decides_a_file_makes_another(
    monkeypatch, tmp_path, rooms, making, data, prepared, what
):
    job = Job(monkeypatch)
    maker = Maker(tmp_path, rooms)
    first = maker.make(making, data, prepared)
    if what == "build":
        (tmp_path / "net.py").write_text("def build(): pass\n", "utf-8")
    elif what == "opset":
        making = replace(making, opset="20")
    elif what == "lock":
        prepared = replace(prepared, lock=Lock(digest="e" * 64, text="", packages=()))
    elif what == "python":
        prepared = replace(prepared, python_version="3.11.9")
    elif what == "framework":
        making = replace(making, producer=replace(PRODUCER, framework="torch==2.12.0"))
    else:
        data = data.replace(data.with_name("other.bundle"))
    assert maker.make(making, data, prepared).key != first.key
    assert job.runs == 2


def test_the_file_of_a_strange_exporter_decides_too(
    monkeypatch, tmp_path, rooms, making, data, prepared
):
    job = Job(monkeypatch)
    file = tmp_path / "mine.py"
    making = replace(making, producer=replace(PRODUCER, export="mine"))
    keys = set()
    for text in ("a = 1\n", "a = 2\n", "a = 2\n"):
        file.write_text(text, "utf-8")
        members = Members(exporters={"mine": ExporterFile(file)})
        keys.add(Maker(tmp_path, rooms, members=members).make(making, data, prepared).key)
    assert (len(keys), job.runs) == (2, 2)


def test_a_failure_that_repeats_itself_is_kept_until_it_is_asked_again(
    monkeypatch, tmp_path, rooms, making, data, prepared
):
    job = Job(monkeypatch, stage="check", error={"type": "E", "message": "bad", "where": ""})
    first = Maker(tmp_path, rooms).make(making, data, prepared)
    assert first.failure is not None
    assert (first.failure.stage, first.failure.ended) == (Stage.CHECK, "raised")
    assert first.files == ()
    again = Maker(tmp_path, rooms).make(making, data, prepared)
    assert (again.failure, job.runs) == (first.failure, 1)
    Maker(tmp_path, rooms, fresh=True).make(making, data, prepared)
    assert job.runs == 2


@pytest.mark.parametrize(
    ("how", "kind", "said"),
    [
        (ended(None, "produce"), "timed_out", "its limit is 30 s"),
        (ended(-9, "produce"), "out_of_memory", "SIGKILL"),
        (ended(137, "produce"), "out_of_memory", "SIGKILL"),
        (ended(-6, "produce", "std::bad_alloc"), "out_of_memory", "SIGABRT"),
        (ended(-6, "produce"), "crashed", "SIGABRT"),
        (ended(139, "check"), "crashed", "SIGSEGV"),
        (ended(0, "produce"), "crashed", "exit code 0"),
        (ended(1, ""), "crashed", "exit code 1"),
    ],
)
def test_a_death_is_named_and_one_of_the_moment_is_not_kept(
    monkeypatch, tmp_path, rooms, making, data, prepared, how, kind, said
):
    job = Job(monkeypatch)
    job.result, job.ended = {}, how
    found = Maker(tmp_path, rooms).make(making, data, prepared)
    assert found.failure is not None
    assert found.failure.ended == kind
    assert said in json.dumps(found.failure.error)
    assert found.failure.stage.value == (how.stage or "produce")
    Maker(tmp_path, rooms).make(making, data, prepared)
    assert job.runs == (1 if kind == "crashed" else 2)


def test_done_without_a_usable_model_is_a_failure(
    monkeypatch, tmp_path, rooms, making, data, prepared
):
    job = Job(monkeypatch)
    job.files = {}
    found = Maker(tmp_path, rooms).make(making, data, prepared)
    assert found.failure is not None
    assert found.failure.error["message"] == words.damaged("no file")


def test_damage_in_the_cache_is_made_good(monkeypatch, tmp_path, rooms, making, data, prepared):
    job = Job(monkeypatch)
    first = Maker(tmp_path, rooms).make(making, data, prepared)
    place = tmp_path / "produced" / first.key
    for name in ("result.json", "data.bundle", "model/m.onnx"):
        (place / name).unlink()
        assert Maker(tmp_path, rooms).make(making, data, prepared) == first
    (place / "result.json").write_text("[]", "utf-8")
    assert Maker(tmp_path, rooms).make(making, data, prepared) == first
    assert job.runs == 5


def test_a_stopped_maker_makes_nothing_of_what_it_got(
    monkeypatch, tmp_path, rooms, making, data, prepared
):
    Job(monkeypatch)
    maker = Maker(tmp_path, rooms)
    maker.stop()
    with pytest.raises(StoppedError):
        maker.make(making, data, prepared)
    assert [path for path in (tmp_path / "produced").iterdir() if path.is_dir()] == []
