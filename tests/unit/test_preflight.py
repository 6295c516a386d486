"""What shared objects need, held against what a place offers, without running anything."""

from __future__ import annotations

import ctypes.util
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_modelcompat.environments import elf, offer, preflight
from pytest_modelcompat.environments.interpreters import Interpreter
from pytest_modelcompat.environments.offer import Offer
from pytest_modelcompat.environments.preflight import Finding, notes, scan, sentences
from pytest_modelcompat.environments.resolve import lock_from_text
from pytest_modelcompat.errors import preflight as words
from pytest_modelcompat.worker import libraries
from tests.elf_files import shared_object

PLACE = Offer(
    place="the image",
    machine="x86_64",
    glibc=(2, 17),
    glibcxx=(3, 4, 19),
    libraries=frozenset({"libc.so.6", "libstdc++.so.6"}),
)
LOCK = lock_from_text("six==1.0\n")


def place_files(folder: Path, **files: bytes) -> Path:
    for name, data in files.items():
        path = folder / f"{name.replace('__', '/')}.so"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def told(folder: Path, place: Offer = PLACE) -> list[tuple[str, str, str]]:
    return [(one.kind, one.file, one.wants) for one in scan(folder, place)]


def wheel(folder: Path, *tags: str) -> Path:
    info = folder / "alpha-1.0.dist-info"
    info.mkdir(parents=True)
    lines = "".join(f"Tag: cp311-cp311-{tag}\n" for tag in tags)
    (info / "WHEEL").write_text(f"Wheel-Version: 1.0\n{lines}")
    return folder


class TestElf:
    def test_reads_what_it_needs(self, tmp_path: Path) -> None:
        data = shared_object(
            needed=("libc.so.6", "liba.so"),
            versions={"libc.so.6": ("GLIBC_2.2.5", "GLIBC_2.28"), "liba.so": ("A_1",)},
            search="$ORIGIN:/opt/lib",
            soname="libme.so.1",
        )
        place_files(tmp_path, a=data)
        read = elf.read(tmp_path / "a.so")
        assert read == elf.SharedObject(
            machine="x86_64",
            soname="libme.so.1",
            needed=("libc.so.6", "liba.so"),
            search=("$ORIGIN", "/opt/lib"),
            versions=(
                ("libc.so.6", "GLIBC_2.2.5"),
                ("libc.so.6", "GLIBC_2.28"),
                ("liba.so", "A_1"),
            ),
        )

    def test_agrees_with_a_linkers_output(self) -> None:
        python = Path(ctypes.util.__file__).parent / "lib-dynload"
        files = sorted(python.glob("*.so"))[:5]
        for file in files:
            read = elf.read(file)
            assert read is not None
            assert not read.executable_stack
            try:
                said = subprocess.run(
                    ["objdump", "-p", str(file)], capture_output=True, text=True, check=True
                ).stdout
            except FileNotFoundError:
                pytest.skip("no objdump here")
            lines = [line.split() for line in said.splitlines()]
            needed = [line[1] for line in lines if line[:1] == ["NEEDED"]]
            versions = [line[3] for line in lines if len(line) == 4 and line[0].startswith("0x")]
            assert list(read.needed) == needed
            assert [version for _, version in read.versions] == versions

    @pytest.mark.parametrize("keep", [5, 40, 70, 150, 300])
    def test_a_file_that_is_cut_off_is_damaged(self, tmp_path: Path, keep: int) -> None:
        data = shared_object(needed=("liba.so",), versions={"libc.so.6": ("GLIBC_2.28",)})
        place_files(tmp_path, a=data[:keep])
        with pytest.raises(elf.DamagedError):
            elf.read(tmp_path / "a.so")

    def test_other_files_are_not_its_business(self, tmp_path: Path) -> None:
        place_files(tmp_path, a=b"/* GNU ld script */ INPUT(-lb)")
        assert elf.read(tmp_path / "a.so") is None

    def test_every_byte_may_be_wrong(self, tmp_path: Path) -> None:
        data = shared_object(needed=("liba.so",), versions={"libc.so.6": ("GLIBC_2.28",)})
        path = tmp_path / "a.so"
        for at in range(4, len(data)):
            path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
            try:
                elf.read(path)
            except elf.DamagedError:
                continue


class TestFindings:
    def test_what_fits_says_nothing(self, tmp_path: Path) -> None:
        data = shared_object(
            needed=("libc.so.6", "libpython3.11.so.1.0", "ld-linux-x86-64.so.2"),
            versions={"libc.so.6": ("GLIBC_2.17", "GLIBC_PRIVATE"),
                      "libstdc++.so.6": ("GLIBCXX_3.4.19", "CXXABI_1.3.9")},
        )  # fmt: skip
        place_files(wheel(tmp_path, "manylinux_2_17_x86_64", "manylinux2014_x86_64"), a=data)
        assert told(tmp_path) == []

    def test_a_newer_glibc(self, tmp_path: Path) -> None:
        data = shared_object(versions={"libm.so.6": ("GLIBC_2.9", "GLIBC_2.28", "GLIBC_2.4")})
        place_files(tmp_path, pkg__a=data)
        (found,) = scan(tmp_path, PLACE)
        assert found == Finding(kind="glibc", file="pkg/a.so", wants="GLIBC_2.28", offered="2.17")
        assert sentences([found], PLACE) == (
            "preflight: a.so needs GLIBC_2.28, the image has 2.17",
        )
        assert told(tmp_path, replace(PLACE, glibc=(2, 28))) == []
        assert told(tmp_path, replace(PLACE, glibc=None)) == []

    def test_a_newer_cpp_library_unless_one_comes_along(self, tmp_path: Path) -> None:
        data = shared_object(versions={"libstdc++.so.6": ("GLIBCXX_3.4.9", "GLIBCXX_3.4.30")})
        place_files(tmp_path, a=data)
        assert told(tmp_path) == [("glibcxx", "a.so", "GLIBCXX_3.4.30")]
        assert told(tmp_path, replace(PLACE, glibcxx=(3, 4, 30))) == []
        place_files(tmp_path, libs__own=shared_object(soname="libstdc++.so.6"))
        assert told(tmp_path) == []

    def test_a_library_that_is_not_there(self, tmp_path: Path) -> None:
        site = tmp_path / "site"
        place_files(site, pkg__a=shared_object(needed=("libc.so.6", "libGL.so.1", "libb.so.2")))
        assert told(site) == [
            ("library", "pkg/a.so", "libGL.so.1"), ("library", "pkg/a.so", "libb.so.2"),
        ]  # fmt: skip
        assert sentences(scan(site, PLACE), PLACE) == (
            words.library("a.so", 0, "libGL.so.1, libb.so.2", "", "the image"),
        )
        assert told(site, replace(PLACE, libraries=None)) == []
        # by its soname, in another package's folder
        place_files(site, pkg_libs__own=shared_object(soname="libGL.so.1"))
        assert told(site) == [("library", "pkg/a.so", "libb.so.2")]

    def test_a_files_own_search_path_counts(self, tmp_path: Path) -> None:
        site = tmp_path / "lib" / "site"
        data = shared_object(needed=("libb.so",), search="/nowhere:${ORIGIN}/../..")
        place_files(site, pkg__a=data)
        assert told(site) == [("library", "pkg/a.so", "libb.so")]
        place_files(tmp_path / "lib", libb=b"x")
        assert told(site) == []

    def test_another_processor(self, tmp_path: Path) -> None:
        place_files(tmp_path, a=shared_object(machine=183, needed=("libGL.so.1",)))
        assert told(tmp_path) == [("machine", "a.so", "aarch64")]
        assert told(tmp_path, replace(PLACE, machine="aarch64"))[0][0] == "library"

    @pytest.mark.parametrize(
        ("stack", "glibc", "found"),
        [
            (7, (2, 41), True), (7, None, True), (7, (2, 40), False),
            (6, (2, 41), False), (None, (2, 41), True),
        ],
    )  # fmt: skip
    def test_an_executable_stack(
        self, tmp_path: Path, stack: int | None, glibc: tuple[int, ...] | None, found: bool
    ) -> None:
        place_files(tmp_path, a=shared_object(stack=stack))
        place = replace(PLACE, glibc=glibc)
        assert [kind for kind, _, _ in told(tmp_path, place)] == ["executable_stack"] * found

    @pytest.mark.parametrize(
        ("tags", "wants"),
        [
            (("manylinux_2_28_x86_64",), "manylinux_2_28_x86_64"),
            (("manylinux_2_28_x86_64.manylinux2014_x86_64",), None),
            (("manylinux2014_aarch64",), "manylinux2014_aarch64"),
            (("musllinux_1_2_x86_64",), "musllinux_1_2_x86_64"),
            (("linux_x86_64",), None),
            (("any",), None),
            (("win_amd64", "macosx_11_0_arm64"), "macosx_11_0_arm64 or win_amd64"),
        ],
    )
    def test_a_wheels_own_tags(
        self, tmp_path: Path, tags: tuple[str, ...], wants: str | None
    ) -> None:
        found = told(wheel(tmp_path, *tags))
        assert found == ([("tag", "alpha 1.0", wants)] if wants else [])

    def test_a_damaged_file(self, tmp_path: Path) -> None:
        place_files(tmp_path, a=shared_object()[:100], b=b"")
        assert [kind for kind, _, _ in told(tmp_path)] == ["damaged", "damaged"]


class TestSentences:
    def test_files_with_one_need_are_told_together(self) -> None:
        findings = [
            Finding(kind="glibc", file=f"p/{name}.so", wants="GLIBC_2.28", offered="2.17")
            for name in "abc"
        ]
        assert sentences(findings, PLACE) == (
            "preflight: a.so and 2 more files need GLIBC_2.28, the image has 2.17",
        )

    def test_many_needs_are_cut_short_and_counted(self) -> None:
        findings = [Finding(kind="library", file=f"{n}.so", wants=f"lib{n}.so") for n in range(9)]
        findings += [Finding(kind="library", file="x.so", wants=f"libx{n}.so") for n in range(9)]
        said = sentences(findings, PLACE)
        assert len(said) == preflight.SHOWN + 1
        assert "libx3.so and 5 more, not found" in said[0]
        assert said[-1] == "preflight: 6 more findings of this kind"


class TestNotes:
    def test_are_kept_for_the_lock_and_the_offer(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site = place_files(tmp_path / "site", a=shared_object(needed=("libGL.so.1",)))
        first = notes(site, LOCK, lambda: PLACE, cache=tmp_path / "cache")
        assert "libGL.so.1" in first[0]
        looked: list[Offer] = []
        monkeypatch.setattr(preflight, "scan", lambda _, place: looked.append(place) or [])
        assert notes(site, LOCK, lambda: PLACE, cache=tmp_path / "cache") == first
        assert looked == []
        for other in (
            replace(PLACE, libraries=None), replace(PLACE, libraries=frozenset()),
            replace(PLACE, glibc=(2, 28)),
        ):  # fmt: skip
            assert notes(site, LOCK, lambda o=other: o, cache=tmp_path / "cache") == ()
        assert notes(site, lock_from_text(""), lambda: PLACE, cache=tmp_path / "cache") == ()
        assert len(looked) == 4

    def test_what_cannot_be_looked_at_costs_nobody_a_cell(self, tmp_path: Path) -> None:
        def refused() -> Offer:
            raise PermissionError(13, "Permission denied")

        (note,) = notes(tmp_path, LOCK, refused, cache=tmp_path / "cache")
        assert note.startswith("preflight: ")
        assert "Permission denied" in note
        (note,) = notes(tmp_path / "gone", LOCK, lambda: PLACE, cache=tmp_path / "cache")
        assert "No such file" in note

    def test_a_cache_that_refuses_loses_nothing(self, tmp_path: Path) -> None:
        site = place_files(tmp_path / "site", a=shared_object(needed=("libGL.so.1",)))
        (tmp_path / "cache").write_text("a file")
        assert "libGL.so.1" in notes(site, LOCK, lambda: PLACE, cache=tmp_path / "cache")[0]


class TestOfferOfHost:
    def test_is_what_this_machine_has(self) -> None:
        python = Interpreter(
            path=Path("/bin/sh"), version="3.12.1", implementation="cpython",
            platform="linux-x86_64", machine=os.uname().machine, libc="glibc 2.36",
        )  # fmt: skip
        found = offer.offer_of_host(python)
        assert found.glibc == (2, 36)
        assert found.libraries is not None
        if "libc.so.6" not in found.libraries:
            pytest.skip("no GNU libc on this machine")
        assert "libabsent.so.9" not in found.libraries
        if "libstdc++.so.6" in found.libraries:
            assert found.glibcxx is not None
            assert found.glibcxx > (3, 4)

    def test_included_folders_are_read_and_foreign_ones_left_out(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folders = {name: tmp_path / name for name in ("own", "i386-linux-gnu", "x86_64-linux-gnu")}
        for name, folder in folders.items():
            folder.mkdir()
            (folder / f"lib{name}.so.1").touch()
        (tmp_path / "d").mkdir()
        (tmp_path / "d" / "a.conf").write_text("".join(f"{f} # x\n" for f in folders.values()))
        (tmp_path / "ld.so.conf").write_text(f"include {tmp_path}/d/*.conf\n")
        monkeypatch.setattr(libraries, "CONFIGURED", str(tmp_path / "ld.so.conf"))
        found = libraries.default_folders("x86_64")
        assert {str(folders[name]) for name in ("own", "x86_64-linux-gnu")} <= set(found)
        assert str(folders["i386-linux-gnu"]) not in found

    def test_a_configuration_that_includes_itself_ends(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "ld.so.conf"
        file.write_text(f"include {file}\n/opt/lib\n")
        assert set(libraries.configured(str(file), 0)) == {"/opt/lib"}


class TestOfferElsewhere:
    """What an image or a machine tells of itself, by the same program as here."""

    PYTHON = Interpreter(
        path=Path("/usr/bin/python3"), version="3.12.1", implementation="cpython",
        platform="linux-x86_64", machine="x86_64", libc="glibc 2.36", here=False,
    )  # fmt: skip

    def test_the_program_is_understood_as_text(self, tmp_path: Path) -> None:
        (tmp_path / "libown.so.1").touch()
        (tmp_path / "libstdc++.so.6").write_bytes(
            b"\0GLIBCXX_3.4.9\0GLIBCXX_3.4.30\0GLIBCXX_DEBUG_MESSAGE_LENGTH\0GLIBCXX_3.4.2"
        )
        space: dict = {}
        exec(offer.look(), space)
        space["default_folders"] = lambda _: []
        found = offer.found_by(space["offered"]([str(tmp_path), str(tmp_path / "nowhere"), ""]))
        assert found.libraries == ("libown.so.1", "libstdc++.so.6")
        assert found.glibcxx == "3.4.30"
        place = offer.offer_of(self.PYTHON, "there", found)
        assert place.libraries == {"libown.so.1", "libstdc++.so.6"}
        assert (place.glibc, place.glibcxx, place.musl) == ((2, 36), (3, 4, 30), False)

    def test_what_nobody_looked_at_is_not_known(self) -> None:
        place = offer.offer_of(self.PYTHON, "there", offer.Found())
        assert (place.libraries, place.glibcxx) == (None, None)

    def test_a_loader_of_musl_counts_for_a_python_without_glibc(self) -> None:
        found = offer.Found(libraries=(), musl=True)
        assert not offer.offer_of(self.PYTHON, "there", found).musl
        assert offer.offer_of(replace(self.PYTHON, libc="-"), "there", found).musl

    def test_what_musl_cannot_run(self, tmp_path: Path) -> None:
        place = Offer(place="the image", machine="x86_64", musl=True)
        data = shared_object(versions={"libc.so.6": ("GLIBC_2.17",)})
        place_files(wheel(tmp_path, "manylinux_2_17_x86_64"), a=data)
        assert told(tmp_path, place) == [
            ("tag", "alpha 1.0", "manylinux_2_17_x86_64"), ("glibc", "a.so", "GLIBC_2.17"),
        ]  # fmt: skip
        assert sentences(scan(tmp_path, place), place)[0].endswith(
            "is from a wheel for manylinux_2_17_x86_64, the image is musl on x86_64"
        )
        musl = tmp_path / "musl"
        place_files(wheel(musl, "musllinux_1_2_x86_64"), a=shared_object())
        assert told(musl, place) == []
