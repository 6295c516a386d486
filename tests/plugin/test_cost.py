"""What the plugin costs those who do not use it: nothing but its options."""

from __future__ import annotations

import json
import sys

from tests.project import Project

PROBE = """\
import json, sys

def test_nothing(): pass

def pytest_sessionfinish(session): pass
"""

CONFTEST = """\
import json, sys, pathlib

def pytest_sessionfinish(session):
    pathlib.Path("modules.json").write_text(json.dumps(sorted(sys.modules)))
"""


def test_without_the_option_nothing_of_ours_is_imported(tmp_path) -> None:
    project = Project({"test_it.py": PROBE, "conftest.py": CONFTEST, "pytest.ini": "[pytest]\n"})

    result = project.command(
        tmp_path, sys.executable, "-m", "pytest", "-p", "no:cov", "-p", "no:xdist"
    )

    assert result.code == 0, result.out
    modules = set(json.loads((tmp_path / "modules.json").read_text("utf-8")))
    ours = {name for name in modules if name.partition(".")[0] == "pytest_modelcompat"}
    # Without the declared hooks pytest would refuse plugins that have them; typing and pytest only.
    declared = "pytest_modelcompat.hookspecs"
    assert ours == {"pytest_modelcompat", "pytest_modelcompat.plugin", declared}
    assert not modules & {"numpy", "yaml", "jinja2", "nox", "ml_dtypes", "packaging.requirements"}


MATRIX = """\
schema: 1
axes: {framework: {onnxruntime: ["1.31.1"]}}
checks: {parity: {models: [{name: m, path: m.onnx}]}}
"""
# Only a page, a range of versions, or a cell that is really measured needs these.
LATE = {"numpy", "jinja2", "urllib.request", "ssl", "pandas", "nox", "hypothesis"}


def test_until_something_is_run_nothing_heavy_is_imported(tmp_path) -> None:
    project = Project(
        {"matrix.yaml": MATRIX, "m.onnx": b"", "conftest.py": CONFTEST, "pytest.ini": "[pytest]\n"},
        env={"MODELCOMPAT_CACHE": str(tmp_path / "cache")},
    )

    result = project.command(
        tmp_path, sys.executable, "-m", "pytest", "-p", "no:cov", "-p", "no:xdist",
        "-p", "no:hypothesispytest", "--compat-matrix", "matrix.yaml", "--collect-only",
    )  # fmt: skip

    assert "2 tests collected" in result.out, result.out + result.err
    modules = set(json.loads((tmp_path / "modules.json").read_text("utf-8")))
    assert "pytest_modelcompat.runner.run" in modules
    assert not modules & LATE
    ours = {name for name in modules if name.startswith("pytest_modelcompat.")}
    late = {"report.view", "report.html", "results.load", "results.compat", "results.history"}
    assert not ours & {f"pytest_modelcompat.{name}" for name in late}
