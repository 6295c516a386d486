"""Ids of environments."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_modelcompat.environments.spec import environment_of, make_spec
from pytest_modelcompat.matrix.model import Cell, Framework, Image, Limits

BASE: dict[str, object] = {
    "role": "cell",
    "image": Image(),
    "python": "3.12",
    "requirements": ["onnxruntime==1.20.1", "numpy<2"],
    "exclude_newer": None,
    "install_timeout": 600.0,
}


def test_is_readable() -> None:
    assert re.fullmatch(r"onnxruntime-1\.20\.1-py3\.12-host-[0-9a-f]{8}", make_spec(**BASE).id)


@pytest.mark.parametrize(
    "change",
    [
        {"role": "producer"},
        {"image": Image(kind="docker", value="host")},
        {"image": Image(value="x")},
        {"image": Image(settings=(("platform", "linux/arm64"),))},
        {"python": "3.13"},
        {"requirements": ["onnxruntime==1.20.1", "numpy<3"]},
        {"exclude_newer": "2026-11-01"},
        {"install_timeout": 60.0},
    ],
)
def test_every_field_counts(change: dict[str, object]) -> None:
    assert make_spec(**{**BASE, **change}).id != make_spec(**BASE).id


def test_equal_fields_are_one_environment() -> None:
    again = make_spec(
        **{**BASE, "requirements": tuple(BASE["requirements"]), "install_timeout": 600}
    )
    assert again == make_spec(**BASE)


@settings(deadline=None)
@given(st.text(), st.lists(st.text(), max_size=3), st.text())
def test_is_always_a_safe_folder_name(python: str, requirements: list[str], image: str) -> None:
    spec = make_spec(
        role="cell",
        image=Image(kind="docker", value=image),
        python=python,
        requirements=requirements,
    )
    assert re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,80}", spec.id)
    assert Path(spec.id).name == spec.id


def test_of_a_cell_leaves_run_only_axes_out() -> None:
    def cell(**more: object) -> Cell:
        return Cell(
            id="c",
            matrix="m",
            matrix_file=Path("m.yaml"),
            axes=(),
            framework=Framework(distribution="six", version="1", runtime="onnx"),
            python="3.12",
            image=Image(),
            requirements=("six==1",),
            **more,
        )

    one = environment_of(cell(provider="a", env=(("A", "1"),), options=(("o", "1"),)))
    other = environment_of(cell(provider="b"))
    assert one == other
    assert environment_of(cell(provider="a", limits=Limits(install=60))) != one
    assert one.role == "cell"
