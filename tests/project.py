"""A project under test: an immutable value with files that can be run."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Result:
    """How a command in the project ended."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def report(self) -> Path:
        return self.folder / "reports" / "latest"

    @property
    def run(self) -> dict[str, Any]:
        return json.loads((self.report / "run.json").read_text("utf-8"))

    @property
    def plan(self) -> dict[str, Any]:
        return json.loads((self.report / "plan.json").read_text("utf-8"))

    @property
    def cases(self) -> list[dict[str, Any]]:
        with gzip.open(self.report / "cases.jsonl.gz", "rt", encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def cell(self, **axes: str) -> dict[str, Any]:
        """The one cell with these axis values."""
        found = [
            cell
            for cell in self.run["cells"]
            if all(cell["axes"].get(name) == value for name, value in axes.items())
        ]
        assert len(found) == 1, (axes, [cell["axes"] for cell in self.run["cells"]])
        return found[0]


@dataclass(frozen=True)
class Project:
    """Files by name, and what the environment of its commands adds."""

    files: dict[str, str | bytes]
    env: dict[str, str] = field(default_factory=dict)

    def with_file(self, name: str, content: str | bytes) -> Project:
        return replace(self, files={**self.files, name: content})

    def write(self, folder: Path) -> Path:
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    def run(self, folder: Path, *arguments: str, timeout: float = 300) -> Result:
        """`pytest ARGUMENTS` in a folder with the project's files."""
        return self.command(folder, sys.executable, "-m", "pytest", *arguments, timeout=timeout)

    def command(self, folder: Path, *argv: str, timeout: float = 300) -> Result:
        self.write(folder)
        done = subprocess.run(
            argv,
            cwd=folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return Result(
            done.returncode,
            done.stdout.decode("utf-8", "replace"),
            done.stderr.decode("utf-8", "replace"),
            folder,
        )

    def start(self, folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
        """The same in the background, in a session of its own."""
        self.write(folder)
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", *arguments],
            cwd=folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.env, "PYTEST_ADDOPTS": "", "COLUMNS": "120"}


SMALL = """\
schema: 1
axes:
  framework:
    onnxruntime: ["1.23.2"]
checks:
  op_support:
    corpus: ["onnx==1.18.0"]
    match: [Relu, Abs]
"""
