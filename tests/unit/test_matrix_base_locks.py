"""`base: pylock.toml` and `base: uv.lock`.

The locks in bases/ are what uv wrote for bases/served.toml (`uv lock`, and `uv export --no-dev
--format pylock.toml`), with other addresses.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.matrix.base_locks import locked
from pytest_modelcompat.matrix.base_markers import all_of, any_of, decided
from pytest_modelcompat.matrix.load import load_matrix

BASES = Path(__file__).parent / "bases"
UV, PYLOCK = ((BASES / name).read_text("utf-8") for name in ("uv.lock", "pylock.toml"))
TEXTS = {"uv.lock": UV, "pylock.toml": PYLOCK}
BOTH = pytest.mark.parametrize("name", list(TEXTS))
MATRIX = """\
base: {name}
packages: ["protobuf>=5"]
axes:
  framework: {{onnxruntime: ["1.20.1"]}}
  packages: {{six: ["1.17.0"]}}
"""
HEAD = 'lock-version = "1.0"\ncreated-by = "hand"\n'
WHEEL = 'url = "https://files.example/{0}-{1}-py3-none-any.whl", hashes = {{ sha256 = "00" }}'


def load(folder: Path, name: str, text: str):
    (folder / name).write_text(text, "utf-8")
    (folder / "m.yaml").write_text(MATRIX.format(name=name))
    return load_matrix(folder / "m.yaml")


def told(folder: Path, name: str, text: str) -> list[str]:
    with pytest.raises(UsageProblem) as caught:
        load(folder, name, text)
    return [problem.message for problem in caught.value.problems]


def there(name: str, python: str, platform: str) -> set[str]:
    """What a lock puts into one environment."""
    found, problems = locked(name, TEXTS[name])
    assert not problems
    where = {
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
        "sys_platform": platform,
    }
    needed = map(Requirement, found)
    return {
        f"{each.name}{each.specifier}"
        for each in needed
        if each.marker is None or each.marker.evaluate(where)
    }


def entry(name: str, version: str, more: str = "") -> str:
    """A package of a pylock.toml."""
    wheel = WHEEL.format(name, version)
    return (
        f'[[packages]]\nname = "{name}"\nversion = "{version}"\n{more}\nwheels = [{{ {wheel} }}]\n'
    )


def uv_lock(*packages: str, needs: str = '{ name = "six" }', more: str = "") -> str:
    project = (
        '[[package]]\nname = "served"\nversion = "1"\nsource = { virtual = "." }\n'
        f"dependencies = [{needs}]\n{more}\n"
    )
    return "\n".join(["version = 1", *packages, project])


def uv_entry(name: str, version: str, more: str = "", source: str = 'registry = "x"') -> str:
    return f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ {source} }}\n{more}\n'


@BOTH
def test_what_the_matrix_names_wins_over_a_lock(name: str, tmp_path: Path) -> None:
    (cell,) = load(tmp_path, name, TEXTS[name]).cells
    assert cell.requirements[:3] == ("onnxruntime==1.20.1", "six==1.17.0", "protobuf>=5")
    pins = {Requirement(each).name: each for each in cell.requirements[3:]}
    assert pins["tqdm"].startswith("tqdm==4.70.1")
    assert not {"served", "six", "protobuf", "iniconfig", "attrs"} & set(pins)
    assert [rule.split("==")[0] for rule in cell.rules] == ["base: protobuf", "base: six"]
    assert all(rule.endswith(" gives way") for rule in cell.rules)


@pytest.mark.parametrize("platform", ["linux", "win32"])
@pytest.mark.parametrize("python", ["3.10.13", "3.11.7", "3.13.0"])
def test_both_locks_of_a_project_mean_the_same(python: str, platform: str) -> None:
    from_uv = there("uv.lock", python, platform)
    assert from_uv == there("pylock.toml", python, platform)
    assert ("pywin32==312" in from_uv) is (platform == "win32")
    old = python.startswith("3.10")
    assert ("platformdirs==4.12.4" in from_uv) is old
    assert ("platformdirs==4.14.7" in from_uv) is not old
    assert ("exceptiongroup==1.3.1" in from_uv) is old
    assert "linkify-it-py==2.2.0" in from_uv  # by an extra of a package


def test_another_lock_is_another_matrix(tmp_path: Path) -> None:
    assert load(tmp_path, "uv.lock", UV).digest != load(tmp_path, "uv.lock", UV + "\n").digest


@BOTH
@pytest.mark.parametrize("part", [0.3, 0.5, 0.95])
def test_half_a_lock_is_refused(name: str, part: float, tmp_path: Path) -> None:
    text = TEXTS[name]
    (message,) = told(tmp_path, name, text[: int(len(text) * part)])
    assert message.startswith(f"The base '{name}' cannot be read: ")
    assert "(at line" in message or "(at end of document)" in message


def test_a_lock_that_ends_between_packages_is_refused(tmp_path: Path) -> None:
    cut = UV[: UV.rindex("[[package]]")]
    (message,) = told(tmp_path, "uv.lock", cut)
    assert "'typing-extensions', which 'exceptiongroup' needs, is not in it" in message


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "uv.lock",
            UV.replace("version = 1", "version = 2", 1),
            "of version '2', and version 1 is",
        ),
        ("uv.lock", "version = 1", "there is no project in it"),
        ("uv.lock", uv_entry("six", "1") + "\n", "of version 'None'"),
        ("uv.lock", "version = 1\npackage = 3", "under 'package' is missing or of another type"),
        ("uv.lock", "version = 1\npackage = [3]", "under 'package' is missing or of another type"),
        ("uv.lock", uv_lock(needs="{ }"), "under 'name' is missing"),
        ("uv.lock", uv_lock(needs='{ name = "six", marker = 3 }'), "under 'marker' is"),
        ("pylock.toml", PYLOCK.replace('"1.0"', '"2.0"', 1), "pylock version 2.0 is not supported"),
        ("pylock.toml", UV, "lock-version"),
        ("pylock.toml", HEAD, "packages"),
        ("pylock.toml", HEAD + entry("six", "one"), "packages[0].version"),
        (
            "pylock.toml",
            HEAD + entry("six", "1", 'marker = "nonsense"'),
            "packages[0].marker: Expected",
        ),
        ("pylock.toml", "x = " + "[" * 100_000, "cannot be read: "),
    ],
)
def test_what_is_no_such_lock_is_refused(name: str, text: str, words: str, tmp_path: Path) -> None:
    (message,) = told(tmp_path, name, text)
    assert words in message
    assert message.startswith(f"The base '{name}' cannot be read: ")


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ('git = "https://git.example/six?rev=1#00"', "a VCS reference"),
        ('url = "https://files.example/six.whl"', "a URL"),
        ('path = "six.whl"', "a path"),
        ('directory = "../six"', "a path"),
        ('editable = "../six"', "a path"),
    ],
)
def test_what_is_on_no_index_is_refused_by_name(source: str, kind: str, tmp_path: Path) -> None:
    (message,) = told(tmp_path, "uv.lock", uv_lock(uv_entry("six", "1", source=source)))
    assert message == f"The base 'uv.lock' has 'six' from {kind}, which cannot be pinned."


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ('vcs = { type = "git", url = "https://git.example/six", commit-id = "00" }', "a VCS ref"),
        ('archive = { url = "https://a.example/s.zip", hashes = { sha256 = "00" } }', "a URL"),
        ('archive = { path = "s.zip", hashes = { sha256 = "00" } }', "a path"),
        ('directory = { path = "../six" }', "a path"),
    ],
)
def test_of_a_pylock_too(place: str, kind: str, tmp_path: Path) -> None:
    text = f'{HEAD}[[packages]]\nname = "six"\n{place}\n'
    (message,) = told(tmp_path, "pylock.toml", text)
    assert message.startswith(f"The base 'pylock.toml' has 'six' from {kind}")


def test_the_project_itself_is_left_out() -> None:
    own = '[[packages]]\nname = "served"\ndirectory = { path = ".", editable = true }\n'
    assert locked("pylock.toml", HEAD + own + entry("six", "1.0")) == (["six==1.0"], [])
    member = uv_entry("part", "1", 'dependencies = [{ name = "six" }]', 'editable = "part"')
    text = uv_lock(member, uv_entry("six", "1.0"), needs='{ name = "part" }')
    _, (problem,) = locked("uv.lock", text)
    assert "'part' from a path" in problem.message
    members = 'version = 1\n[manifest]\nmembers = ["part", "served"]'
    assert locked("uv.lock", text.replace("version = 1", members, 1)) == (["six==1.0"], [])


def test_versions_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    both = uv_entry("six", "1.0"), uv_entry("six", "2.0")
    words = "has 'six' in several versions (1.0, 2.0) without markers that tell them apart"
    (message,) = told(tmp_path, "uv.lock", uv_lock(*both))
    assert words in message
    half = entry("six", "1.0", "marker = \"sys_platform == 'linux'\"") + entry("six", "2.0")
    (message,) = told(tmp_path, "pylock.toml", HEAD + half)
    assert words in message


def test_forks_are_told_apart_by_their_own_markers() -> None:
    old, new = "python_full_version < '3.11'", "python_full_version >= '3.11'"
    text = uv_lock(
        uv_entry("six", "1.0", f'resolution-markers = ["{old}"]'),
        uv_entry("six", "2.0", f'resolution-markers = ["{new}"]'),
    )
    assert locked("uv.lock", text) == ([f"six==1.0 ; {old}", f"six==2.0 ; {new}"], [])


def test_a_version_that_is_not_told_is_refused(tmp_path: Path) -> None:
    text = HEAD + entry("six", "1.0").replace('version = "1.0"', "")
    assert told(tmp_path, "pylock.toml", text) == [
        "The base 'pylock.toml' has 'six' without a version."
    ]


@pytest.mark.parametrize(
    "version", ["--pre", "1.0 --hash=x", "1.0 @ https://x.example", "installed"]
)
def test_options_do_not_come_in_by_a_version(version: str, tmp_path: Path) -> None:
    (message,) = told(tmp_path, "uv.lock", uv_lock(uv_entry("six", version)))
    assert "six" in message or version in message


def test_ways_through_a_circle_end_and_all_count() -> None:
    text = uv_lock(
        uv_entry("a", "1", 'dependencies = [{ name = "b", marker = "os_name == \'nt\'" }]'),
        uv_entry("b", "1", 'dependencies = [{ name = "a" }]'),
        uv_entry("c", "1", 'dependencies = [{ name = "b" }]'),
        needs='{ name = "a" }, { name = "c", marker = "sys_platform == \'linux\'" }',
    )
    assert locked("uv.lock", text)[0] == [
        "a==1",
        "b==1 ; os_name == 'nt' or sys_platform == 'linux'",
        "c==1 ; sys_platform == 'linux'",
    ]


@pytest.mark.parametrize("count", [20, 40])  # more ways than are told apart, a long marker
def test_too_many_ways_are_any_way(count: int) -> None:
    via = [
        uv_entry(
            f"a{each}", "1", f'dependencies = [{{ name = "b", marker = "os_name == \'{each}\'" }}]'
        )
        for each in range(count)
    ]
    needs = ", ".join(f'{{ name = "a{each}" }}' for each in range(count))
    found, problems = locked("uv.lock", uv_lock(*via, uv_entry("b", "1"), needs=needs))
    assert (found[-1], problems) == ("b==1", [])


@pytest.mark.parametrize(
    ("marker", "groups", "meant"),
    [
        ("", (), ""),
        ("os_name == 'nt'", (), "os_name == 'nt'"),
        ("'default' in dependency_groups", ("Default",), ""),
        ("'default' in dependency_groups", (), None),
        ('"late" in extras or "dev" in dependency_groups', (), None),
        ("'late' not in extras", (), ""),
        ("extra == 'extra-6-served-cpu'", (), None),
        ("'x' != extra", (), ""),
        (
            "os_name == 'nt' and 'late' in extras", (),
            "os_name == 'nt' and python_version < '3'",
        ),
    ],
)  # fmt: skip
def test_no_extra_and_only_default_groups_are_there(
    marker: str, groups: tuple[str, ...], meant: str | None
) -> None:
    assert decided(marker, groups) == meant


def test_markers_are_joined_with_their_parentheses() -> None:
    assert all_of(["b or c", "a"]) == "a and (b or c)"
    assert all_of(["b or c"]) == "b or c"
    assert all_of([]) == ""
    assert any_of(["a and b", "c"]) == "(a and b) or c"
    assert any_of(["a", ""]) == ""


def test_a_lock_may_be_larger_than_a_list(tmp_path: Path) -> None:
    assert load(tmp_path, "uv.lock", UV + "# nothing\n" * 200_000).cells
    assert told(tmp_path, "uv.lock", UV + "# nothing\n" * 900_000) == [
        "The base 'uv.lock' has no requirements."
    ]
