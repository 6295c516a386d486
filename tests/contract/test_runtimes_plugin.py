"""A provider that comes as a library of its own does nothing until it is registered."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.test_runtimes import OV, ROOT, Release, environment

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.network, pytest.mark.slow]

ASK = """
import json, os, runpy, sys
if "MODELCOMPAT_COVERAGE" in os.environ:
    runpy.run_path(os.environ["MODELCOMPAT_COVERAGE"])
sys.path.insert(0, sys.argv[1])
from pytest_modelcompat.worker.runtimes import adapter
made = adapter("onnxruntime", "onnxruntime-ep-openvino")
print(json.dumps([
    [made.unavailable(provider, options), made.info()["providers"]]
    for provider, options in json.loads(sys.argv[2])
]))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    release = Release(
        runtime="onnxruntime",
        requirements=("onnxruntime==1.31.1", "onnxruntime-ep-openvino==1.8.1"),
        python="3.12",
        provider=OV,
        refuses={},
    )
    return environment(release, tmp_path_factory.mktemp("plugin"))


def ask(python: str, folder: Path, *questions: Any) -> Any:
    done = subprocess.run(
        [python, "-c", ASK, ROOT, json.dumps(questions)],
        check=True, capture_output=True, text=True, timeout=120, cwd=folder,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_only_a_registered_library_offers_its_provider(python: str, tmp_path: Path) -> None:
    library = {"provider_library": "onnxruntime_ep_openvino"}
    [(before, offered), (after, _)] = ask(python, tmp_path, [OV, {}], [OV, library])
    assert "is not in available provider names" in before
    assert OV not in offered
    # It takes the processors of one maker only: on others it has no device.
    assert after is None or f"no device of {OV}" in after


def test_a_device_that_the_provider_does_not_have(python: str, tmp_path: Path) -> None:
    library = {"provider_library": "onnxruntime_ep_openvino", "device": "SUNDIAL"}
    [(words, _)] = ask(python, tmp_path, [OV, library])
    assert f"no device of {OV}" in words


def test_a_library_that_does_not_load_says_why(python: str, tmp_path: Path) -> None:
    broken = tmp_path / "libbroken.so"
    broken.write_bytes(b"this is no library")
    [(words, _)] = ask(python, tmp_path, [OV, {"provider_library": str(broken)}])
    assert "libbroken.so" in words
