"""Break the judging code bit by bit and see whether a test notices; `nox -s mutation` runs this.

    python tests/mutation.py [--again] [FILE …]

Every mutant that no test kills must be explained in docs/mutation.md, by what it changes and where:
a heading names the file, one below it the function, and a block of diff the lines. So explanations
stay true while code around them changes, and one that explains nothing any more is told as well.

FILE is the end of a path of `only_mutate` in pyproject.toml, such as `match.py`; default: all.
`--again` keeps what the last pass killed, in functions that are the same: tests only grow.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGE = "pytest_modelcompat"
EXPLAINED = Path("docs", "mutation.md")
KILLED = frozenset({"killed", "timeout"})  # a test that hangs has noticed, too

_RESULT = re.compile(r"^\s*(\S+__mutmut_\d+): (.+)$", re.MULTILINE)
_HEADING = re.compile(r"^(#{2,3}) (.+)$")


class Change(NamedTuple):
    """What a mutant is: lines of one function, without their indentation."""

    file: str  # within the package
    function: str  # with its class, as in `Judge.compare`
    removed: tuple[str, ...]
    added: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"-{line}" for line in self.removed] + [f"+{line}" for line in self.added]
        return "\n".join([f"{self.file} {self.function}", *lines])


def named(mutant: str) -> tuple[str, str]:
    """File and function of a mutant's name, which is `a.b.xǁClassǁfunction__mutmut_7`."""
    module, _, name = mutant.rpartition("__mutmut_")[0].rpartition(".")
    function = ".".join(name.split("ǁ")[1:]) if "ǁ" in name else name.removeprefix("x_")
    return module.removeprefix(f"{PACKAGE}.").replace(".", "/") + ".py", function


def changes(diff: str, file: str, function: str) -> list[Change]:
    """The changes of a diff; an empty line between two tells them apart.

    Raises:
        ValueError: a line that is not empty neither removes nor adds anything.
    """
    found = []
    for block in re.split(r"\n\s*\n", diff.strip("\n")):
        lines = [line.strip() for line in block.splitlines()]
        if any(line[:1] not in ("-", "+") for line in lines):
            raise ValueError(f"not a change of {file} {function}:\n{block}")
        removed, added = (
            tuple(line[1:].strip() for line in lines if line[0] == sign) for sign in "-+"
        )
        found.append(Change(file, function, removed, added))
    return found


def explained(text: str) -> list[Change]:
    """What a document of this kind explains."""
    found, file, function, block = [], "", "", None
    for line in text.splitlines():
        heading = _HEADING.match(line)
        if block is not None:
            if line.strip() == "```":
                found += changes("\n".join(block), file, function)
                block = None
            else:
                block.append(line)
        elif line.strip() == "```diff":
            block = []
        elif heading:
            named_, name = heading[1] == "##", heading[2].strip("`")
            file, function = (name, "") if named_ else (file, name)
    return found


def _mutmut(*arguments: str) -> str:
    return subprocess.run(
        ["mutmut", *arguments], check=True, stdout=subprocess.PIPE, encoding="utf-8"
    ).stdout


def shown(mutant: str) -> Change:
    """A mutant as mutmut shows it."""
    lines = [
        line
        for line in _mutmut("show", mutant).splitlines()
        if line[:1] in ("-", "+") and not line.startswith(("---", "+++"))
    ]
    (change,) = changes("\n".join(line for line in lines if line[1:].strip()), *named(mutant))
    return change


def wanted(arguments: list[str]) -> list[str]:
    """The files that the arguments name, within the package."""
    settings = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["tool"]["mutmut"]
    files = [path.removeprefix(f"{PACKAGE}/") for path in settings["only_mutate"]]
    for name in arguments:
        if not any(f"/{file}".endswith(f"/{name}") for file in files):
            sys.exit(f"{name} is none of only_mutate: {', '.join(files)}")
    return [
        file
        for file in files
        if not arguments or any(f"/{file}".endswith(f"/{name}") for name in arguments)
    ]


def ends_of(files: list[str]) -> dict[str, str]:
    """The mutants of these files and what became of them."""
    found = dict(_RESULT.findall(_mutmut("results", "--all", "true")))
    return {mutant: end for mutant, end in found.items() if named(mutant)[0] in files}


def run(files: list[str], *, again: bool) -> dict[str, str]:
    """Let mutmut run; the mutants and what became of them."""
    if not again:
        shutil.rmtree("mutants", ignore_errors=True)
        globs = [
            f"{PACKAGE}.{file.removesuffix('.py').replace('/', '.')}.*"
            for file in files
            if "def " in Path(PACKAGE, file).read_text("utf-8")
        ]
        if globs:
            subprocess.run(["mutmut", "run", *globs], check=True)
        return ends_of(files)
    # Or mutmut asks new tests alone which functions they go through, new functions included, and
    # takes a file that was changed while the last pass began for the one that it has.
    Path("mutants", "mutmut-stats.json").unlink(missing_ok=True)
    for file in wanted([]):
        Path("mutants", PACKAGE, file).unlink(missing_ok=True)
    ends = ends_of(files)
    # One that was killed is enough for mutmut to see which functions are other ones by now.
    asked = [mutant for mutant, end in ends.items() if end != "killed"] or list(ends)[:1]
    while asked:
        subprocess.run(["mutmut", "run", *asked], check=True)
        ends = ends_of(files)
        asked = [mutant for mutant, end in ends.items() if end == "not checked"]
    return ends


def main(arguments: list[str]) -> int:
    """Run, compare with the document, print figures; 1 where something is not explained."""
    again = "--again" in arguments
    files = wanted([each for each in arguments if each != "--again"])
    ends = run(files, again=again)
    alive = {mutant: shown(mutant) for mutant, end in ends.items() if end not in KILLED}
    told = [each for each in explained(EXPLAINED.read_text("utf-8")) if each.file in files]

    killed = Counter(named(mutant)[0] for mutant, end in ends.items() if end in KILLED)
    known = Counter(change.file for change in alive.values() if change in told)
    print("\n| file | mutants | killed | explained |\n|---|---|---|---|")
    for file in files:
        every = sum(named(mutant)[0] == file for mutant in ends)
        print(f"| {file} | {every} | {killed[file]} | {known[file]} |")

    bad = [
        f"{mutant}: {ends[mutant]}, not explained in {EXPLAINED}:\n{change}"
        for mutant, change in alive.items()
        if change not in told
    ]
    bad += [
        f"{EXPLAINED} explains what is killed, or is no mutant any more:\n{change}"
        for change in told
        if change not in alive.values()
    ]
    print("\n\n".join(["", *bad]))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
