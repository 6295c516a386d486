"""Members that other plugins bring: what is wrong with one is told, and ours stay what they are."""

from __future__ import annotations

import pytest

from pytest_modelcompat import hookspecs
from pytest_modelcompat.members import gather, installed, of_session
from pytest_modelcompat.runner.settings import Members
from pytest_modelcompat.worker.exporters import REGISTRY
from tests.project import SMALL, Project, Result

GOOD = """
class Place:
    name = "place"
    def prepare(self, spec, *, cache): ...
    def start(self, prepared, arguments, *, env, files, folder, limits=None): ...
    def inside(self, file, *, prepared, folder): ...
    def workload(self, entry, corpora, *, folder, file=None): ...
"""


FILE = """
from pathlib import Path
from pytest_modelcompat.testing import ExporterFile
HERE = Path(__file__)
"""


def run(folder, conftest: str) -> Result:
    files = {"matrices/m.yaml": SMALL, "pytest.ini": "[pytest]\n", "conftest.py": conftest}
    return Project(files).run(folder, "--compat-matrix=matrices/m.yaml")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def pytest_modelcompat_environments(): return {'host': Place()}",
         "Two plugins bring a kind of environment named 'host'"),
        ("def pytest_modelcompat_checks(): return {'parity': Place()}",
         "Two plugins bring a check named 'parity'"),
        ("def pytest_modelcompat_runtimes(): return {'onnx': __file__}",
         "Two plugins bring a runtime named 'onnx'"),
        ("def pytest_modelcompat_checks(): return {'mine': object()}",
         "The check 'mine' of"),
        ("def pytest_modelcompat_environments(): return {'mine': object()}",
         "has no `prepare`"),
        ("def pytest_modelcompat_runtimes(): return {'mine': 'nowhere.py'}",
         "names 'nowhere.py', which is no Python file"),
        ("def pytest_modelcompat_runtimes(): return {'mine': 7}", "names '7'"),
        ("def pytest_modelcompat_runtimes(): return {'../x': __file__}", "cannot be named '../x'"),
        ("def pytest_modelcompat_runtimes(): return {7: __file__}", "cannot be named '7'"),
        ("def pytest_modelcompat_checks(): return ['mine']", "gave list, not a mapping"),
        ("def pytest_modelcompat_checks(): pass", "gave NoneType, not a mapping"),
        ("def pytest_modelcompat_exporters(): return {'mine': __file__}",
         "which is no Python file"),
        (FILE + "def pytest_modelcompat_exporters(): return {'m': ExporterFile(Path('no.py'))}",
         "names 'no.py', which is no Python file"),
        (FILE + "def pytest_modelcompat_exporters(): return {'m': ExporterFile(HERE, ('-e x',))}",
         "needs '-e x', which is no requirement"),
        (FILE + "def pytest_modelcompat_exporters(): return {'onnx-dynamo': ExporterFile(HERE)}",
         "Two plugins bring an exporter named 'onnx-dynamo'"),
        (("from pytest_modelcompat.results import rules\n"
         "def pytest_modelcompat_rules(): return {'onnx': rules.OURS['tvm']}"),
         "Two plugins bring a file of rules named 'onnx'"),
        ("def pytest_modelcompat_rules(): return {'mine': 'no.yaml'}", "is no file"),
        ("def pytest_modelcompat_rules(): return {'mine': __file__}", "cannot be read: conftest"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_member_is_a_sentence(tmp_path, source: str, said: str) -> None:
    result = run(tmp_path, GOOD + source)
    assert result.code == 4, result.out + result.err
    assert said in result.err
    assert "Traceback" not in result.out + result.err


def test_everything_that_is_wrong_is_told_at_once(tmp_path) -> None:
    result = run(
        tmp_path,
        "def pytest_modelcompat_checks(): return {'parity': object(), 'mine': object()}\n"
        "def pytest_modelcompat_runtimes(): return {'x y': __file__}\n",
    )
    assert len([line for line in result.err.splitlines() if line.startswith("ERROR: ")]) == 3


def test_ours_come_through_the_same_hooks() -> None:
    manager = pytest.PytestPluginManager()
    manager.add_hookspecs(hookspecs)
    assert gather(manager) == Members(environments={}, runtimes={}, checks={})
    ours = of_session(manager)
    assert {"host", "docker"} <= set(ours.environments)
    assert {"onnxruntime", "openvino", "onnx", "backend"} <= set(ours.runtimes)
    assert set(ours.checks) == {"op_support", "parity"}
    assert set(ours.exporters) == set(REGISTRY)
    assert set(ours.rules) == set(ours.runtimes)
    brought = {*map(ours.adapter, ours.runtimes), *map(ours.exporter, ours.exporters)}
    assert (ours.strange_kinds, brought) == ({}, {None}), "none of ours is a stranger"


def test_without_other_plugins_a_command_knows_ours() -> None:
    found = installed()
    assert set(found.checks) == {"op_support", "parity"}
    assert set(found.environments) == set(Members().environments)


def test_plugins_with_hooks_do_no_harm_in_a_run_without_a_matrix(tmp_path) -> None:
    files = {
        "conftest.py": "def pytest_modelcompat_checks(): raise SystemExit('never asked')\n",
        "test_it.py": "def test_it(): pass\n",
        "pytest.ini": "[pytest]\n",
    }
    assert Project(files).run(tmp_path).code == 0
