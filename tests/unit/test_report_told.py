"""What a reader must know of the whole run before believing any of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_modelcompat.report.data import read
from pytest_modelcompat.report.told import told
from tests.browser.folders import Made, small

if TYPE_CHECKING:
    from pathlib import Path

URL = {"url": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("servers", "sentences"),
    [
        ([None, {**URL, "name": "sundial"}], []),
        ([None, URL], ["1 of 2 cells was answered by a server that does not say who it is"]),
        ([URL, URL], ["2 of 2 cells were answered by a server that does not say who it is"]),
    ],
)
def test_a_server_without_a_name_is_told(
    tmp_path: Path, servers: list[dict[str, Any] | None], sentences: list[str]
) -> None:
    small(tmp_path, [Made(version=str(n), models={"m/set0": ("P", 0.1)}) for n in (1, 2)])
    run = json.loads((tmp_path / "run.json").read_text("utf-8"))
    for cell, server in zip(run["cells"], servers, strict=True):
        cell["attestation"] = {} if server is None else {"server": server}
    (tmp_path / "run.json").write_text(json.dumps(run), "utf-8")
    found = [each for each in told(read(tmp_path)) if "answered" in each]
    assert found == sentences
