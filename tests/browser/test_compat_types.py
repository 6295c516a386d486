"""compat.json against the types that browser-compat-data publishes of its own form.

What is ours beside that form (docs/outputs.md names it) is taken away first; all the rest must be
what a program that reads browser-compat-data expects.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import node_module
from tests.samples import SAMPLES

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.browser

OURS = {"tested", "no_data", "monotone", "status", "evidence"}
LISTS = ("notes", "impl_url")  # lists even of one; there a list has two


def features(node: dict[str, Any], path: str = "") -> dict[str, dict[str, Any]]:
    """Path -> `support`, of everything below."""
    found = {}
    for name, below in node.items():
        if name == "__compat":
            found[path] = below["support"]
        elif isinstance(below, dict):
            found |= features(below, f"{path}/{name}")
    return found


def theirs(statements: list[dict[str, Any]]) -> Any:
    """Statements without what is ours; None where there is no data."""
    made = []
    for each in statements:
        if each["version_added"] is None:
            continue
        plain = {name: value for name, value in each.items() if name not in OURS}
        for name in LISTS:
            if len(plain.get(name, ())) == 1:
                (plain[name],) = plain[name]
        made.append(plain)
    return made[0] if len(made) == 1 else made or None


def compiled(folder: Path, support: dict[str, Any]) -> str:
    """What the compiler says against it; empty where nothing."""
    types = node_module("@mdn/browser-compat-data/types.d.ts")
    source = folder / "compat.ts"
    source.write_text(
        f"import type {{ SupportStatement }} from {json.dumps(str(types))};\n"
        "const support: Record<string, Record<string, SupportStatement>> = "
        f"{json.dumps(support)};\nvoid support;\n",
        encoding="utf-8",
    )
    options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022"]
    done = subprocess.run(
        ["node", str(node_module("typescript/bin/tsc")), *options, str(source)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode == 0) is (done.stdout == ""), done.stderr
    return done.stdout


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_support_is_what_browser_compat_data_calls_support(sample: Path, tmp_path: Path):
    data = json.loads((sample / "compat.json").read_text("utf-8"))
    found = features(data["operators"]) | features(data["models"])
    plain = {
        path: {target: stripped for target, each in support.items() if (stripped := theirs(each))}
        for path, support in found.items()
    }
    assert len(found) > 5
    assert plain.keys() == found.keys(), "of everything in a sample something was measured"
    assert all(support for support in plain.values())
    assert compiled(tmp_path, plain) == ""


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ({"version_added": None}, "null"),
        ({"version_added": "1", "tested": ["1"]}, "tested"),
        ({"version_added": "1", "partial_implementation": False}, "false"),
        ({"version_added": "1", "notes": ["one"]}, "requires 2"),
        ([{"version_added": "1"}], "SupportStatement"),
    ],
)
def test_the_check_finds_what_is_not(statement: Any, problem: str, tmp_path: Path):
    assert problem in compiled(tmp_path, {"/ai.onnx/Conv": {"target": statement}})
