"""`modelcompat kubernetes`: a matrix as manifests, in a folder of three files."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.errors import UsageProblem, command_line
from pytest_modelcompat.paths import typed
from pytest_modelcompat.words import plural

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pytest_modelcompat.errors import Problem
    from pytest_modelcompat.kubernetes.manifests import Target
    from pytest_modelcompat.matrix.model import Matrix

__all__ = ["declare"]

_OUTPUT = "kubernetes"
_LARGEST_USER = 2**31 - 1


def declare(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the sub-command to the parser's."""
    one = commands.add_parser(
        "kubernetes", help="write manifests for a cluster: one Job for each cell of a matrix"
    )
    one.add_argument("matrix", help="the file")
    one.add_argument(
        "--image", required=True, help="of the pods, with pytest-modelcompat; {python} is filled in"
    )
    one.add_argument(
        "--volume-claim", required=True, metavar="NAME", help="volume that all pods can write"
    )
    one.add_argument(
        "--run", dest="name", default=None, metavar="NAME",
        help="of this run: its folder on the volume, and how its objects' names begin "
        "(default: the matrix' name)",
    )  # fmt: skip
    one.add_argument("--namespace", default="", metavar="NAME", help="of the objects")
    one.add_argument("--select", default="", type=typed, metavar="MATCHER", help="only these cells")
    place = one.add_mutually_exclusive_group()
    place.add_argument(
        "--matrix-on-volume", default="", metavar="PATH",
        help="where the volume has the matrix and its files; nothing is taken along then",
    )  # fmt: skip
    place.add_argument(
        "--matrix-in-image", default="", metavar="PATH", help="where the image has them"
    )
    one.add_argument(
        "--node-selector", action="append", default=[], metavar="LABEL=VALUE",
        help="of nodes, e.g. kubernetes.io/arch=arm64",
    )  # fmt: skip
    one.add_argument(
        "--secret", default="", metavar="NAME",
        help="its values are environment variables of the run, e.g. UV_INDEX_URL",
    )  # fmt: skip
    one.add_argument("--pull-secret", default="", metavar="NAME", help="for the image")
    one.add_argument("--user", default="1000", metavar="UID", help="user and group of the pods")
    one.add_argument(
        "--deadline", default=None, metavar="TIME",
        help="of each Job, e.g. 4h (default: what the matrix' limits may need, and an hour)",
    )  # fmt: skip
    one.add_argument("--output", default=_OUTPUT, metavar="DIR", help="for the manifests")
    one.set_defaults(run=_kubernetes)


def _kubernetes(arguments: argparse.Namespace) -> int:
    from pytest_modelcompat.kubernetes.manifests import (  # noqa: PLC0415 - commands pay for themselves
        cells_objects,
        merge_objects,
        plan_objects,
    )
    from pytest_modelcompat.kubernetes.text import manifests_text  # noqa: PLC0415
    from pytest_modelcompat.results.files import atomic_write  # noqa: PLC0415

    target, matrix = _read(arguments)
    run = target.run
    files = {
        "plan.yaml": ("the first of three; the plan of " + run, plan_objects(target, matrix)),
        "cells.yaml": ("the second of three; the cells of " + run, cells_objects(target, matrix)),
        "merge.yaml": ("the third of three; the report of " + run, merge_objects(target, matrix)),
    }
    output = Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    _refuse_foreign(output, files)
    for name, (title, objects) in files.items():
        atomic_write(output / name, manifests_text(title, objects))
    sys.stdout.write("".join(f"{line}\n" for line in _told(target, matrix, output, files)))
    return 0


def _told(
    target: Target, matrix: Matrix, output: Path, files: dict[str, tuple[str, list[dict[str, Any]]]]
) -> Iterator[str]:
    space = f" -n {target.namespace}" if target.namespace else ""
    longest = {
        name: max(o["spec"]["activeDeadlineSeconds"] for o in objects if o["kind"] == "Job")
        for name, (_, objects) in files.items()
    }
    cells = plural(len(matrix.cells), "cell")
    yield f"wrote {output}: the run {target.run}, {cells}; one after another:"
    for name, component in (("plan", "plan"), ("cells", "cell"), ("merge", "merge")):
        file = f"{name}.yaml"
        yield f"  kubectl create -f {output / file}"
        yield (
            f"  kubectl wait{space} --for=condition=complete --timeout={longest[file]}s job "
            f"-l app.kubernetes.io/instance={target.run},app.kubernetes.io/component={component}"
        )
    yield f"the report is then on the volume in {target.run}/merged; a cell without result is told"


def _read(arguments: argparse.Namespace) -> tuple[Target, Matrix]:
    """What is asked for, and the matrix; all mistakes of each at once."""
    from pytest_modelcompat import pipeline  # noqa: PLC0415
    from pytest_modelcompat.environments.cache import cache_folder  # noqa: PLC0415
    from pytest_modelcompat.environments.releases import releases  # noqa: PLC0415
    from pytest_modelcompat.kubernetes.fits import refused  # noqa: PLC0415
    from pytest_modelcompat.kubernetes.manifests import Target  # noqa: PLC0415
    from pytest_modelcompat.kubernetes.names import run_name  # noqa: PLC0415
    from pytest_modelcompat.kubernetes.project import project  # noqa: PLC0415
    from pytest_modelcompat.matrix import load_matrix  # noqa: PLC0415
    from pytest_modelcompat.members import installed  # noqa: PLC0415

    problems, deadline = _words(arguments)
    if problems:
        raise UsageProblem(problems)
    files = pipeline.matrix_files(arguments.matrix, Path.cwd())
    if len(files) != 1:
        raise UsageProblem(command_line.one_matrix(arguments.matrix, len(files)))
    names, lookup = installed().names(), partial(releases, cache=cache_folder())

    def load(path: Path) -> Matrix:
        return load_matrix(path, select=arguments.select or None, lookup=lookup, **names)

    matrix = load(files[0])
    if not matrix.cells:
        raise UsageProblem(
            command_line.nothing_selected(arguments.select)
            if arguments.select
            else command_line.no_cells()
        )
    elsewhere = arguments.matrix_on_volume or arguments.matrix_in_image
    problems = refused(matrix, moved=not elsewhere) + _unlike_image(arguments.image, matrix)
    if problems:
        raise UsageProblem(problems)
    target = Target(
        run=arguments.name or run_name(matrix.name),
        image=arguments.image,
        claim=arguments.volume_claim,
        namespace=arguments.namespace,
        select=arguments.select,
        matrix=elsewhere,
        on_volume=bool(arguments.matrix_on_volume),
        nodes=tuple(tuple(each.split("=", 1)) for each in arguments.node_selector),
        secret=arguments.secret,
        pull_secret=arguments.pull_secret,
        user=int(arguments.user),
        deadline=deadline,
    )
    if not elsewhere:
        target = replace(target, project=project(matrix, load))
    return target, matrix


def _words(arguments: argparse.Namespace) -> tuple[list[Problem], int | None]:
    """What the API would refuse, and the deadline in seconds."""
    from pytest_modelcompat.errors import Problem  # noqa: PLC0415
    from pytest_modelcompat.errors import kubernetes as words  # noqa: PLC0415
    from pytest_modelcompat.kubernetes import names  # noqa: PLC0415
    from pytest_modelcompat.matrix import grammar, limits  # noqa: PLC0415

    label = "lower-case letters, digits and hyphens, at most 63"
    dotted = "lower-case letters, digits, hyphens and dots"
    short = f"lower-case letters, digits and hyphens, at most {names.LONGEST_RUN}"
    run = arguments.name
    user = arguments.user
    bad = [
        (option, text, what, example)
        for option, text, what, example, fine in (
            ("--volume-claim", arguments.volume_claim, dotted, "results", names.is_subdomain),
            ("--namespace", arguments.namespace or None, label, "ci", names.is_label),
            ("--secret", arguments.secret or None, dotted, "index", names.is_subdomain),
            ("--pull-secret", arguments.pull_secret or None, dotted, "pull", names.is_subdomain),
            ("--run", run, short, "upgrade-2026-11-22",
             lambda text: len(text) <= names.LONGEST_RUN and names.is_label(text)),
            *(("--node-selector", each, "LABEL=VALUE", "kubernetes.io/arch=arm64", names.is_pair)
              for each in arguments.node_selector),
            ("--user", user, "the number of a user, not of root", "1000", _is_user),
            ("--matrix-in-image", arguments.matrix_in_image or None, "an absolute path",
             "/app/matrices/upgrade.yaml", lambda text: _is_path(text, absolute=True)),
            ("--matrix-on-volume", arguments.matrix_on_volume or None,
             "a path below the volume's root, without `..`", "project/matrices/upgrade.yaml",
             lambda text: _is_path(text, absolute=False)),
        )
        if text is not None and not fine(text)
    ]  # fmt: skip
    problems = [words.bad_word(*each) for each in bad]
    sentences = [grammar.image_reference(arguments.image)]
    deadline = None
    if arguments.deadline is not None:
        deadline, sentence = limits.seconds(arguments.deadline, "--deadline", "4h")
        sentences.append(sentence)
    problems += [Problem(message=each.message, hint=each.hint) for each in sentences if each]
    return problems, None if deadline is None else max(1, int(deadline))


def _is_user(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 11 and 1 <= int(text) <= _LARGEST_USER  # noqa: PLR2004


def _is_path(text: str, *, absolute: bool) -> bool:
    path = PurePosixPath(text)
    return text.isprintable() and ".." not in path.parts and path.is_absolute() is absolute


def _unlike_image(image: str, matrix: Matrix) -> list[Problem]:
    """`{python}` in the image, where a cell's Python is no version."""
    from pytest_modelcompat.errors import kubernetes as words  # noqa: PLC0415
    from pytest_modelcompat.matrix import grammar  # noqa: PLC0415

    if "{python}" not in image:
        return []
    odd = {cell.python for cell in matrix.cells if grammar.version(cell.python)}
    return [words.image_template(image, python) for python in sorted(odd)]


def _refuse_foreign(output: Path, names: dict[str, Any]) -> None:
    """Leave alone what is not ours."""
    from pytest_modelcompat.errors import kubernetes as words  # noqa: PLC0415
    from pytest_modelcompat.kubernetes.text import HEAD  # noqa: PLC0415

    problems = []
    for name in names:
        path = output / name
        if path.is_dir() or (path.exists() and not path.read_bytes().startswith(HEAD.encode())):
            problems.append(words.foreign_file(path))
    if problems:
        raise UsageProblem(problems)
