"""Preflight over real releases, against places older than this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modelcompat.environments import cache as folders
from pytest_modelcompat.environments.offer import Offer
from pytest_modelcompat.environments.preflight import scan, sentences
from pytest_modelcompat.environments.protocol import Prepared
from pytest_modelcompat.environments.registry import prepare
from pytest_modelcompat.environments.spec import make_spec
from pytest_modelcompat.matrix.model import Image

pytestmark = pytest.mark.network


def place(*glibc: int) -> Offer:
    return Offer(place="the image", machine="x86_64", glibc=glibc)


@pytest.fixture(scope="module")
def packages():
    def made(release: str) -> Path:
        spec = make_spec(
            role="cell",
            image=Image(),
            python="3.11",
            requirements=(f"onnxruntime=={release}", "numpy<2" if release < "1.19" else "numpy<3"),
            install_timeout=300.0,
        )
        prepared = prepare(spec, cache=folders.cache_folder())
        assert isinstance(prepared, Prepared), prepared.reason
        assert prepared.notes == ()  # it was chosen for this machine
        return Path(prepared.python[0]).parent.parent / "lib/python3.11/site-packages"

    return made


def of_framework(site: Path, offer: Offer) -> list[tuple[str, str]]:
    found = [one for one in scan(site, offer) if "onnxruntime" in one.file]
    return [(one.kind, one.wants) for one in found]


def test_a_release_with_a_higher_floor_cannot_work_on_older_libcs(packages) -> None:
    site = packages("1.31.1")
    for glibc in ((2, 17), (2, 27)):
        found = of_framework(site, place(*glibc))
        assert any(kind == "tag" and "manylinux_2_28" in wants for kind, wants in found), found
    needs = [wants for kind, wants in of_framework(site, place(2, 17)) if kind == "glibc"]
    assert "GLIBC_2.27" in needs or "GLIBC_2.28" in needs
    assert any(
        "the image has 2.17" in told for told in sentences(scan(site, place(2, 17)), place(2, 17))
    )
    assert of_framework(site, place(2, 28)) == []


def test_a_release_for_old_libcs_says_nothing_of_them(packages) -> None:
    site = packages("1.16.3")
    assert of_framework(site, place(2, 17)) == []
    # the loader of newer libcs refuses what it asks for
    assert of_framework(site, place(2, 41)) == [("executable_stack", "executable stack")]
    assert of_framework(site, place(2, 5))
