"""docs/extending.md is a project: its files are written, installed and run."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.project import Project, Result

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text("utf-8")
FILES = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE))
MATRIX = "--compat-matrix=matrices/sums.yaml"


def installed(folder: Path, **more: str) -> Project:
    """The page's project, on the path with the entry point that its pyproject.toml declares."""
    points = re.search(r'\[project\.entry-points\.(\w+)\]\n(\w+) = "(.+)"', FILES["pyproject.toml"])
    assert points
    group, name, module = points.groups()
    info = "site/pytest_sums-1.0.dist-info"
    files: dict[str, str | bytes] = {
        "pytest.ini": "[pytest]\n",
        "site/pytest_sums/__init__.py": "",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: pytest-sums\nVersion: 1.0\n",
        f"{info}/entry_points.txt": f"[{group}]\n{name} = {module}\n",
    }
    for file, text in {**FILES, **more}.items():
        files[f"site/{file}" if file.startswith("pytest_sums/") else file] = text
    env = {"PYTHONPATH": str(folder / "site"), "MODELCOMPAT_CACHE": str(folder / "cache")}
    return Project(files, env)


def test_every_block_is_a_file():
    assert len(FILES) == PAGE.count("\n```") // 2 == 10


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Result:
    folder = tmp_path_factory.mktemp("sums")
    return installed(folder).run(folder, MATRIX)


def test_the_matrix_is_measured_by_members_of_the_plugin(ran: Result):
    assert ran.code == 1, ran.out + ran.err
    there, shut = ran.cell(image="open"), ran.cell(image="shut")
    assert there["status"] == "completed", there
    assert there["counts"] == {"passed": 5, "failed": 1, "unsupported": 1}
    assert there["attestation"]["runtime"] == "sums"
    assert there["environment"]["kind"] == "this_python"
    assert "measured in an open place" in there["notes"]
    assert (shut["status"], shut["reason"]) == ("unavailable", "This place is shut.")
    assert shut["counts"] == {"not_run": 7}
    (wrong,) = [case for case in ran.cases if case["status"] == "failed"]
    assert (wrong["check"], wrong["unit"], wrong["case"]) == ("additions", "addition", "3+3")
    assert wrong["ran_on"] == {"cpu": 1}
    assert wrong["mismatch"]["max_abs"] == 1.0


def test_a_model_is_made_by_the_plugin_s_exporter_where_the_plugin_says(ran: Result):
    [made] = [
        case for case in ran.cases if case["unit"] == "numbers" and case["status"] == "passed"
    ]
    assert made["case"] == "numbers/pytest-sums==1.0,sums-json/random-0"
    assert made["reference"]["kind"] == "producer"
    assert made["reference"]["version"] == "1.0"
    roles = {(each["role"], each["kind"]) for each in ran.run["environments"]}
    assert ("producer", "this_python") in roles


def test_the_plugin_s_rules_say_what_an_exception_means_and_again_when_judged_anew(ran: Result):
    (told,) = [case for case in ran.cases if case["status"] == "unsupported"]
    assert (told["unit"], told["stage"]) == ("rows", "run")
    assert told["error"]["rule"] == "sums.single-numbers"
    assert "requires a buffer of 8 bytes" in told["error"]["message"]
    done = installed(ran.folder).command(
        ran.folder, sys.executable, "-m", "pytest_modelcompat.cli", "rejudge", str(ran.report),
        "--output", "judged",
    )  # fmt: skip
    assert done.code == 0, done.err
    run = json.loads((ran.folder / "judged" / "run.json").read_text("utf-8"))
    counts = [cell["counts"] for cell in run["cells"]]
    assert {"passed": 5, "failed": 1, "unsupported": 1} in counts


def test_the_adapter_decides_what_is_reused(ran: Result):
    again = installed(ran.folder).run(ran.folder, MATRIX)
    assert any("reused" in note for note in again.cell(image="open")["notes"])
    other = FILES["pytest_sums/adapter.py"].replace("total)))]", "total + 0.5)))]")
    assert other != FILES["pytest_sums/adapter.py"]
    changed = installed(ran.folder, **{"pytest_sums/adapter.py": other}).run(ran.folder, MATRIX)
    assert changed.cell(image="open")["counts"] == {"failed": 6, "unsupported": 1}


def test_the_adapters_own_tests_pass(tmp_path: Path):
    done = installed(tmp_path).run(tmp_path, "test_adapter.py", "-q")
    assert done.code == 0, done.out
    assert "3 passed" in done.out


def test_the_command_knows_the_plugin_too(tmp_path: Path):
    project = installed(tmp_path)
    done = project.command(
        tmp_path, sys.executable, "-m", "pytest_modelcompat.cli", "plan", "matrices/sums.yaml"
    )
    assert done.code == 0, done.err
    assert '"additions"' in done.out
