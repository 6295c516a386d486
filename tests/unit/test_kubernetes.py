"""Manifests: valid by the API's own schemas, and by the rules that its schemas do not say."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
import yaml

from pytest_modelcompat import cli
from pytest_modelcompat.kubernetes import scripts
from pytest_modelcompat.kubernetes.manifests import _literal
from pytest_modelcompat.kubernetes.names import is_pair, is_subdomain, job_name, run_name
from pytest_modelcompat.kubernetes.text import manifests_text
from pytest_modelcompat.matrix.load import load_matrix
from tests.kubelet import expanded

ROOT = Path(__file__).parents[2]
MATRICES = sorted((ROOT / "matrices").glob("*.yaml"))
EVERY = pytest.mark.parametrize("file", MATRICES, ids=lambda file: file.stem)
FILES = ("plan.yaml", "cells.yaml", "merge.yaml")

# As the API's validation has them (apimachinery/pkg/util/validation).
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
QUANTITY = re.compile(r"[1-9][0-9]*(Mi)?")
MOST_CONFIG = 2**20
MOST_ANNOTATIONS = 256 * 2**10

SMALL = """\
schema: 1
axes:
  framework: {onnxruntime: ["1.20.1", "1.23.2"]}
  python: ["3.12"]
checks:
  op_support: {corpus: ["onnx==1.18.0"], match: [Relu]}
"""


@pytest.fixture(scope="module")
def schemas() -> Any:
    """Those of the API; `tests` installs them."""
    return pytest.importorskip("kubernetes_validate")


@pytest.fixture(scope="module")
def versions(schemas: Any) -> list[str]:
    found = list(dict.fromkeys(schemas.utils.all_versions()))
    assert len(found) > 8
    return found


def write(matrix: Path, output: Path, *more: str) -> dict[str, list[dict[str, Any]]]:
    """The objects of each file."""
    arguments = ["kubernetes", str(matrix), "--image=registry.example.org/mc:1"]
    arguments += ["--volume-claim=results", f"--output={output}", *more]
    assert cli.main(arguments) == 0
    return {name: objects((output / name).read_text("utf-8")) for name in FILES}


def objects(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text))


def small(folder: Path, text: str = SMALL) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "m.yaml").write_text(text)
    return folder / "m.yaml"


def cells(made: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return made["cells.yaml"]


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    return job["spec"]["template"]["spec"]


def container_of(job: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod_of(job)["containers"]
    return container


def of_pods(file: Path) -> tuple[str, ...]:
    """What makes a shipped matrix one for pods."""
    return ("--select=image:host",) if file.stem == "edge" else ()


@EVERY
def test_every_shipped_matrix_is_valid_by_the_schemas_of_every_release(
    file: Path, tmp_path: Path, schemas, versions, capsys
) -> None:
    if file.stem == "images":  # all of it is about other systems' images
        assert cli.main(
            ["kubernetes", str(file), "--image=x", "--volume-claim=x", f"--output={tmp_path}/o"]
        ) == 4  # fmt: skip
        said = capsys.readouterr().err
        assert "(docker) cannot run in a pod: they start containers of an engine" in said
        assert not (tmp_path / "o").exists()
        return
    made = write(file, tmp_path, *of_pods(file))
    for version in versions:
        for each in [*made["plan.yaml"], *made["cells.yaml"][:3], *made["merge.yaml"]]:
            schemas.validate(each, version, strict=True)
    for each in made["cells.yaml"]:
        schemas.validate(each, versions[-1], strict=True)
    check(made)
    matrix = load_matrix(file, select="image:host" if of_pods(file) else None)
    told = [each["metadata"]["annotations"]["modelcompat/cell"] for each in cells(made)]
    assert told == [cell.id for cell in matrix.cells]


def test_the_schemas_would_see_a_mistake(tmp_path: Path, schemas, versions) -> None:
    made = write(small(tmp_path), tmp_path / "o")
    job = cells(made)[0]
    job["spec"]["template"]["spec"]["restartPolice"] = "Never"
    with pytest.raises(schemas.ValidationError):
        schemas.validate(job, versions[-1], strict=True)


def check(made: dict[str, list[dict[str, Any]]]) -> None:
    """What no schema says."""
    every = [each for name in FILES for each in made[name]]
    names = [(each["kind"], each["metadata"]["name"]) for each in every]
    assert len(set(names)) == len(names)
    configs = {}
    for each in every:
        meta = each["metadata"]
        assert len(meta["name"]) <= 63
        assert DNS_LABEL.fullmatch(meta["name"]), meta["name"]
        check_labels(meta["labels"])
        annotations = meta.get("annotations", {})
        assert sum(len(k) + len(v) for k, v in annotations.items()) < MOST_ANNOTATIONS
        for key in annotations:
            check_key(key)
        if each["kind"] == "ConfigMap":
            configs[meta["name"]] = check_config(each)
        else:
            check_job(each)
    for each in every:
        if each["kind"] == "Job":
            check_volumes(pod_of(each), configs)


def check_labels(labels: dict[str, str]) -> None:
    for key, value in labels.items():
        check_key(key)
        assert len(value) <= 63
        assert LABEL_VALUE.fullmatch(value), value


def check_key(key: str) -> None:
    whose, _, name = key.rpartition("/")
    assert DNS_SUBDOMAIN.fullmatch(whose)
    assert len(whose) <= 253
    assert QUALIFIED.fullmatch(name)
    assert len(name) <= 63


def check_config(config: dict[str, Any]) -> set[str]:
    texts, binary = config.get("data", {}), config.get("binaryData", {})
    assert not set(texts) & set(binary)
    keys = set(texts) | set(binary)
    for key in keys:
        assert CONFIG_KEY.fullmatch(key)
    size = sum(len(text.encode()) for text in texts.values())
    size += sum(len(base64.b64decode(text, validate=True)) for text in binary.values())
    assert 0 < size <= MOST_CONFIG
    return keys


def check_job(job: dict[str, Any]) -> None:
    spec, pod, container = job["spec"], pod_of(job), container_of(job)
    assert spec["backoffLimit"] == 0  # a crash is never hidden by another try
    assert pod["restartPolicy"] == "Never"
    assert 600 <= spec["activeDeadlineSeconds"] <= 30 * 24 * 3600
    labels = spec["template"]["metadata"]["labels"]
    assert labels == job["metadata"]["labels"]
    assert not [key for key in labels if key.startswith(("batch.kubernetes.io/", "job-name"))]
    for key, value in pod["nodeSelector"].items():
        check_labels({key: value})
    resources = container["resources"]
    assert resources["requests"] == resources["limits"]
    for amount in resources["limits"].values():
        assert QUANTITY.fullmatch(amount), amount
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    for each in container["env"]:
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", each["name"])


def check_volumes(pod: dict[str, Any], configs: dict[str, set[str]]) -> None:
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert len(volumes) == len(pod["volumes"])
    (container,) = pod["containers"]
    mounts = container["volumeMounts"]
    assert {each["name"] for each in mounts} == set(volumes)  # none is left over
    assert len({each["mountPath"] for each in mounts}) == len(mounts)
    for each in mounts:
        assert ":" not in each["mountPath"]
        sub = PurePosixPath(each.get("subPath", ""))
        assert not sub.is_absolute()
        assert ".." not in sub.parts
    for name, volume in volumes.items():
        assert DNS_LABEL.fullmatch(name)
        if "configMap" not in volume:
            continue
        keys = configs[volume["configMap"]["name"]]
        items = volume["configMap"].get("items", [])
        paths = [item["path"] for item in items]
        assert len(set(paths)) == len(paths)
        assert {item["key"] for item in items} <= keys
        for path in paths:
            assert not path.startswith(("/", ".."))
            assert ".." not in PurePosixPath(path).parts


def test_the_same_plan_is_the_same_bytes(tmp_path: Path) -> None:
    file = ROOT / "matrices" / "quickstart.yaml"
    write(file, tmp_path / "a")
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(ROOT / "matrices", elsewhere)
    write(elsewhere / "quickstart.yaml", tmp_path / "b")
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        text = (tmp_path / "a" / name).read_text("utf-8")
        assert str(ROOT) not in text
        assert str(tmp_path) not in text


def test_a_pod_gets_what_the_matrix_limits_say(tmp_path: Path) -> None:
    text = SMALL + "limits: {memory: 6GiB, threads: 4, cell: 2h, install: 20m}\n"
    job, _ = cells(write(small(tmp_path, text), tmp_path / "o"))
    limits = container_of(job)["resources"]["limits"]
    assert limits == {"cpu": "5", "memory": "7168Mi"}
    tries, waiting, corpora = 2, 3600, 2 * 600
    assert job["spec"]["activeDeadlineSeconds"] == tries * (7200 + 1200) + waiting + corpora
    job, _ = cells(write(small(tmp_path, text), tmp_path / "o", "--deadline=90m"))
    assert job["spec"]["activeDeadlineSeconds"] == 5400


@pytest.mark.parametrize(
    ("provider", "resource"),
    [
        ("CUDAExecutionProvider", "nvidia.com/gpu"),
        ("TensorrtExecutionProvider", "nvidia.com/gpu"),
        ("MIGraphXExecutionProvider", "amd.com/gpu"),
        ("CPUExecutionProvider", None),
    ],
)
def test_a_cell_of_a_gpu_s_provider_asks_for_one(
    tmp_path: Path, schemas, versions, provider, resource
) -> None:
    text = SMALL.replace("  python:", f"  provider: [{provider}]\n  python:")
    made = write(small(tmp_path, text), tmp_path / "o")
    job = cells(made)[0]
    limits = container_of(job)["resources"]["limits"]
    assert set(limits) - {"cpu", "memory"} == ({resource} if resource else set())
    tolerated = [each["key"] for each in pod_of(job).get("tolerations", [])]
    assert tolerated == ([resource] if resource else [])
    check(made)
    schemas.validate(job, versions[-1], strict=True)


def test_options_reach_the_pods(tmp_path: Path, schemas, versions) -> None:
    text = SMALL.replace('["3.12"]', '["3.11", "3.12"]')
    made = write(
        small(tmp_path, text), tmp_path / "o", "--namespace=ci", "--run=night-7",
        "--node-selector=kubernetes.io/arch=arm64", "--secret=index", "--pull-secret=pull",
        "--user=4242", "--image=tools:{python}", "--select=framework:onnxruntime==1.23.2",
    )  # fmt: skip
    check(made)
    for each in (each for name in FILES for each in made[name]):
        schemas.validate(each, versions[0], strict=True)
        assert each["metadata"]["namespace"] == "ci"
        assert each["metadata"]["name"].startswith("night-7-")
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == "night-7"
    old, new = cells(made)
    assert [container_of(each)["image"] for each in (old, new)] == ["tools:3.11", "tools:3.12"]
    assert container_of(made["merge.yaml"][0])["image"] == "tools:3.12"
    for job in (old, new, *made["merge.yaml"]):
        pod = pod_of(job)
        assert pod["nodeSelector"] == {
            "kubernetes.io/os": "linux", "kubernetes.io/arch": "arm64",
        }  # fmt: skip
        assert pod["imagePullSecrets"] == [{"name": "pull"}]
        assert pod["securityContext"]["runAsUser"] == 4242
        assert container_of(job)["envFrom"] == [{"secretRef": {"name": "index"}}]
    assert "--compat-shard=2/2" in container_of(new)["args"]
    assert "--compat-select=framework:onnxruntime==1.23.2" in container_of(new)["args"]
    assert "framework:onnxruntime==1.23.2" in container_of(made["plan.yaml"][-1])["args"]


def test_a_matrix_that_is_there_already_is_not_taken_along(tmp_path: Path) -> None:
    file = small(tmp_path)
    inside = write(file, tmp_path / "a", "--matrix-in-image=/app/my matrices/m.yaml")
    assert not [each for each in inside["plan.yaml"] if each["metadata"]["name"].endswith("matrix")]
    assert "cd '/app/my matrices'\n" in container_of(cells(inside)[0])["command"][2]
    check(inside)
    shared = write(file, tmp_path / "b", "--matrix-on-volume=project/m.yaml")
    assert "cd /modelcompat/volume/project\n" in container_of(cells(shared)[0])["command"][2]
    mounts = {each["mountPath"]: each for each in container_of(cells(shared)[0])["volumeMounts"]}
    assert mounts["/modelcompat/volume"]["readOnly"] is True
    assert mounts["/modelcompat/report"]["subPath"].startswith("m/cells/m-onnxruntime-1-20-1-")
    check(shared)


def test_a_kubelet_gives_the_shell_what_we_wrote(tmp_path: Path) -> None:
    """`$$` is its own sign for one dollar, and `$(NAME)` for a variable's value."""
    made = write(small(tmp_path), tmp_path / "o", "--select=framework:onnxruntime*")
    for job, script in (
        (cells(made)[0], scripts.CELL),
        (made["plan.yaml"][-1], scripts.PLAN),
        (made["merge.yaml"][0], scripts.MERGE),
    ):
        container = container_of(job)
        environment = {each["name"]: "changed" for each in container["env"]}
        assert expanded(container["command"][2], environment).endswith(script)
    for text in ("$(HOME)", "$$", "$$(HOME)", "$HOME", "$$$", "a$(b", "$("):
        assert expanded(_literal(text), {"HOME": "changed"}) == text
    assert expanded("$(HOME) $$(HOME) $(none)", {"HOME": "x"}) == "x $(HOME) $(none)"


def test_names_are_valid_distinct_and_stable() -> None:
    odd = [
        *("x" * n + "-y" * 40 for n in range(3)),
        "a" * 200,
        "A.B=c",
        "-",
        "ü",
        "onnxruntime-1.31.1-py3.12-host-CPU-0123abcd",
        "x" * 60 + ".",
    ]
    for run in ("r", "a" * 28):
        names = [job_name(run, cell) for cell in odd]
        assert len(set(names)) == len(names)
        for name in names:
            assert DNS_LABEL.fullmatch(name)
            assert len(name) <= 63
            assert "--" not in name
    assert job_name("r", "same") == job_name("r", "same") != job_name("s", "same")
    assert [run_name(text) for text in ("Über uns!", "行列", "a" * 99)] == [
        "ber-uns", "matrix", "a" * 28,
    ]  # fmt: skip


def test_words_that_labels_may_have() -> None:
    fine = ["a=b", "kubernetes.io/arch=arm64", "A_b.c=", "x/y=1.2-3"]
    wrong = ["a", "=b", "a b=c", "/a=b", "X/a=b", "a=-", "a=" + "x" * 64, "a/b/c=d", "a=b=c", "é=1"]
    assert [each for each in fine if not is_pair(each)] == []
    assert [each for each in wrong if is_pair(each)] == []
    assert is_subdomain("a.b-c.d")
    assert not any(map(is_subdomain, ("", ".", "a.", "A", "a_b", "a" * 64, "a." * 130 + "a")))


def test_texts_mean_the_same_to_every_reader() -> None:
    numbers = ["1e3", "0x1f", "012", "12:30:45", "2026-11-22", "1_000", ".5", "nan", ".inf", "1.20"]
    words = ["yes", "On", "y", "~", "null", "", " ", "a: b", "- a", "#", "=", "-", "?", "{{ }}"]
    signs = ["'", '"', "\\", "%", "@x", "`x`", "!x", "&x", "*x", "|", ">", "$(HOME)"]
    lines = ["a\nb", "a\n", "\n", "  a\n b\n", "a \nb", "tab\tx\ny", "é\n😀\n"]
    odd = [*numbers, *words, *signs, *lines]
    text = manifests_text("t", [{"odd": odd, "true": {"y": "n"}}])
    assert objects(text) == [{"odd": odd, "true": {"y": "n"}}]
    for word in ("1e3", "yes", "012", "12:30:45", "~", "y"):
        assert f"'{word}'" in text


# -- mistakes --------------------------------------------------------------------------------

CONTAINERS = SMALL.replace(
    "  python:",
    '  image: [host, "debian:bookworm", {kind: ssh, value: ci@board},\n'
    "    {kind: python, value: /usr/bin/python3}]\n"
    "  python:",
)
MODEL = """\
  parity:
    models:
      - name: m
        path: PATH
        data: {random: 1}
        reference: REFERENCE
"""
MISTAKES = {
    "no image": (SMALL, ["--volume-claim=x"], ["required: --image"]),
    "no claim": (SMALL, ["--image=x"], ["required: --volume-claim"]),
    "a bad image": (SMALL, ["--image=Bad Image"], ["Bad Image"]),
    "an option for an image": (SMALL, ["--image=--privileged"], ["--privileged"]),
    "a bad claim": (SMALL, ["--volume-claim=My_Claim"], ["--volume-claim takes", "My_Claim"]),
    "a long claim": (SMALL, [f"--volume-claim={'x' * 300}"], ["--volume-claim takes"]),
    "a bad namespace": (SMALL, ["--namespace=a.b"], ["--namespace takes"]),
    "a long run": (SMALL, [f"--run={'r' * 29}"], ["--run takes", "at most 28"]),
    "a run that leads out": (SMALL, ["--run=../x"], ["--run takes"]),
    "no name for a run": (SMALL, ["--run="], ["--run takes"]),
    "a bad secret": (SMALL, ["--secret=A"], ["--secret takes"]),
    "a bad selector": (SMALL, ["--node-selector=arch"], ["LABEL=VALUE, not 'arch'"]),
    "root": (SMALL, ["--user=0"], ["not of root, not '0'"]),
    "a user by name": (SMALL, ["--user=me"], ["not of root, not 'me'"]),
    "a deadline without unit": (SMALL, ["--deadline=90"], ["--deadline"]),
    "several": (SMALL, ["--user=0", "--run=X", "--secret=Y"], ["--user", "--run", "--secret"]),
    "two places": (
        SMALL, ["--matrix-on-volume=a", "--matrix-in-image=/a"], ["not allowed with"],
    ),
    "a relative place in the image": (SMALL, ["--matrix-in-image=a"], ["an absolute path"]),
    "a place outside of the volume": (SMALL, ["--matrix-on-volume=../a"], ["without `..`"]),
    "nothing selected": (SMALL, ["--select=python:2.7"], ["leaves no cell"]),
    "an unknown axis": (SMALL, ["--select=pyhton:3"], ["'python'?"]),
    "a mistake in the matrix": ("schema: 1\n", [], ["m.yaml"]),
    "other places": (
        CONTAINERS,
        [],
        [
            "2 cells of the image 'debian:bookworm' (docker) cannot run in a pod",
            "2 cells of the image 'ci@board' (ssh) cannot run in a pod",
            "2 cells of the image '/usr/bin/python3' (python) cannot run in a pod",
        ],
    ),
    "a Python that nobody names": (
        SMALL.replace('  python: ["3.12"]\n', ""), [], ["names no Python", "`python: "],
    ),
    "{python} without one": (
        SMALL.replace('  python: ["3.12"]\n', "  image: [current]\n"),
        ["--image=x:{python}"],
        ["wants a version for {python}, and a cell's Python is 'image'"],
    ),
    "other cells' answers": (
        SMALL + MODEL.replace("PATH", "m.onnx").replace("REFERENCE", "consensus"),
        [],
        ["judged by other cells (reference: consensus)"],
    ),
    "an absolute path": (
        SMALL + MODEL.replace("PATH", "FOLDER/m.onnx").replace("REFERENCE", "none"),
        [],
        ["does not find", "relative to the matrix"],
    ),
    "too large": (
        SMALL + MODEL.replace("PATH", "large.onnx").replace("REFERENCE", "none"),
        [],
        ["a ConfigMap holds 1,048,576", "--matrix-on-volume"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_sentences(name: str, tmp_path: Path, capsys) -> None:
    text, more, words = MISTAKES[name]
    model = (ROOT / "matrices" / "models" / "digits-mlp" / "model.onnx").read_bytes()
    (tmp_path / "m.onnx").write_bytes(model)
    (tmp_path / "large.onnx").write_bytes(model + bytes(2**20))
    file = small(tmp_path, text.replace("FOLDER", str(tmp_path)))
    given = [] if name.startswith("no ") and "for" not in name else [
        "--image=registry.example.org/mc:1", "--volume-claim=results",
    ]  # fmt: skip
    try:
        status = cli.main(["kubernetes", str(file), *given, f"--output={tmp_path}/o", *more])
    except SystemExit as leaving:
        status = leaving.code
    said = capsys.readouterr().err
    assert status == 4, said
    for each in words:
        assert each in said
    assert "Traceback" not in said
    assert not (tmp_path / "o").exists()


def test_there_is_no_matrix(tmp_path: Path, capsys) -> None:
    arguments = ["kubernetes", str(tmp_path / "x.yaml"), "--image=x", "--volume-claim=x"]
    assert cli.main(arguments) == 4
    assert "There is no matrix at" in capsys.readouterr().err


def test_a_folder_with_two_matrices_is_not_one(tmp_path: Path, capsys) -> None:
    small(tmp_path)
    (tmp_path / "n.yaml").write_text(SMALL)
    assert cli.main(["kubernetes", str(tmp_path), "--image=x", "--volume-claim=x"]) == 4
    assert "holds 2 matrices" in capsys.readouterr().err


def test_files_of_others_stay(tmp_path: Path, capsys) -> None:
    file = small(tmp_path)
    write(file, tmp_path / "o")
    write(file, tmp_path / "o")  # ours are replaced
    (tmp_path / "o" / "merge.yaml").write_text("kind: Mine\n")
    arguments = ["kubernetes", str(file), "--image=x", "--volume-claim=x"]
    assert cli.main([*arguments, f"--output={tmp_path}/o"]) == 4
    assert "is not a manifest of ours" in capsys.readouterr().err
    assert (tmp_path / "o" / "merge.yaml").read_text() == "kind: Mine\n"


def test_an_environment_of_one_s_own_goes_where_the_matrix_is(tmp_path: Path) -> None:
    text = SMALL.replace(
        "  python:", "  image: [{kind: python, value: /usr/bin/python3}]\n  python:"
    )
    made = write(small(tmp_path, text), tmp_path / "o", "--matrix-in-image=/app/m.yaml")
    assert len(cells(made)) == 2


def test_producers_have_their_say_about_memory_and_time(tmp_path: Path) -> None:
    made = write(ROOT / "matrices" / "producers.yaml", tmp_path / "o")
    job = cells(made)[0]
    assert container_of(job)["resources"]["limits"]["memory"] == f"{17 * 1024}Mi"
    data = made["plan.yaml"][0]
    assert data["metadata"]["name"] == "producers-matrix"
    items = next(v for v in pod_of(job)["volumes"] if v["name"] == "matrix")["configMap"]["items"]
    assert "project/models/pointnet2.py" in {item["path"] for item in items}


def test_known_issues_and_base_go_along(tmp_path: Path) -> None:
    text = SMALL + "base: ../requirements.txt\nknown_issues: [known/k.yaml]\n"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "known").mkdir()
    (tmp_path / "in" / "known" / "k.yaml").write_text("[]\n")
    (tmp_path / "requirements.txt").write_text("numpy==1.26.4\n")
    made = write(small(tmp_path / "in", text), tmp_path / "o")
    job = cells(made)[0]
    items = next(v for v in pod_of(job)["volumes"] if v["name"] == "matrix")["configMap"]["items"]
    assert [item["path"] for item in items] == [
        "project/in/known/k.yaml", "project/in/m.yaml", "project/requirements.txt",
    ]  # fmt: skip
    assert list(contents(made["plan.yaml"][0])) == [b"[]\n", text.encode(), b"numpy==1.26.4\n"]


def test_every_file_of_a_model_s_data_goes_along(tmp_path: Path) -> None:
    shutil.copy(ROOT / "matrices/models/digits-mlp/model.onnx", tmp_path)
    for name in ("inputs", "outputs", "labels"):
        np.savez(tmp_path / f"{name}.npz", np.zeros(3))
    data = "{inputs: inputs.npz, outputs: outputs.npz, labels: labels.npz}"
    model = f"{{name: m, path: model.onnx, data: {data}}}"
    text = SMALL.partition("checks:")[0] + f"checks:\n  parity:\n    models:\n      - {model}\n"
    made = write(small(tmp_path, text), tmp_path / "o")
    pod = pod_of(cells(made)[0])
    items = next(v for v in pod["volumes"] if v["name"] == "matrix")["configMap"]["items"]
    assert [item["path"] for item in items] == [
        "project/inputs.npz", "project/labels.npz", "project/m.yaml", "project/model.onnx",
        "project/outputs.npz",
    ]  # fmt: skip


def contents(config: dict[str, Any]) -> Iterator[bytes]:
    found = {key: text.encode() for key, text in config.get("data", {}).items()}
    found |= {key: base64.b64decode(text) for key, text in config.get("binaryData", {}).items()}
    for n in range(len(found)):
        yield found[f"file-{n}"]
