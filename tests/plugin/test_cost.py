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
