"""Makes run folders that look like real runs, without running anything.

A run is drawn from a small model of the world (which release broke which operator, what a provider
does not implement, which environment cannot be made), so that the report has something true to
find: the tests know the answers. Every file is written as `design.md` §6 describes it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

OPERATORS = """
Abs Acos Acosh Add AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool
BatchNormalization Bernoulli BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BlackmanWindow Cast
CastLike Ceil Celu CenterCropPad Clip Col2Im Compress Concat Constant ConstantOfShape Conv
ConvInteger ConvTranspose Cos Cosh CumSum DFT DeformConv DepthToSpace DequantizeLinear Det Div
Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather
GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GridSample
GroupNormalization HammingWindow HannWindow HardSigmoid HardSwish Hardmax Identity If ImageDecoder
InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual Log
LogSoftmax Loop LpNormalization LpPool MatMul MatMulInteger Max MaxPool MaxUnpool Mean
MeanVarianceNormalization MelWeightMatrix Min Mish Mod Mul NegativeLogLikelihoodLoss
NonMaxSuppression NonZero Not OneHot OptionalGetElement OptionalHasElement Or PRelu Pad Pow
QLinearConv QLinearMatMul QuantizeLinear RNN RMSNormalization Range Reciprocal ReduceL1 ReduceL2
ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare
RegexFullMatch Relu Reshape Resize ReverseSequence RoiAlign RotaryEmbedding Round STFT Scan
ScatterElements ScatterND Selu SequenceInsert SequenceMap Shape Shrink Sigmoid Sign Sin Sinh Size
Slice Softmax SoftmaxCrossEntropyLoss Softplus Softsign SpaceToDepth Split SplitToSequence Sqrt
Squeeze StringConcat StringNormalizer StringSplit Sub Sum Swish Tan Tanh TensorScatter
TfIdfVectorizer ThresholdedRelu Tile TopK Transpose Trilu Unique Unsqueeze Upsample Where Xor
""".split()  # noqa: SIM905 - to be read by people

ML = ("ArrayFeatureExtractor", "Binarizer", "LabelEncoder", "TreeEnsemble")

#: runtime release -> newest opset of ai.onnx (measured; see the facts)
MAX_OPSET = {
    "1.17.3": 20, "1.18.1": 21, "1.19.2": 21, "1.20.1": 21, "1.22.1": 22, "1.24.4": 25,
    "1.26.0": 26, "1.28.0": 26, "1.30.0": 26, "1.31.1": 26,
}  # fmt: skip
PYTHONS_OF = {
    "1.17.3": ("3.9", "3.10", "3.11", "3.12"), "1.18.1": ("3.9", "3.10", "3.11", "3.12"),
    "1.19.2": ("3.9", "3.10", "3.11", "3.12"), "1.20.1": ("3.10", "3.11", "3.12", "3.13"),
    "1.22.1": ("3.10", "3.11", "3.12", "3.13"), "1.24.4": ("3.11", "3.12", "3.13"),
    "1.26.0": ("3.11", "3.12", "3.13"), "1.28.0": ("3.11", "3.12", "3.13"),
    "1.30.0": ("3.11", "3.12", "3.13"), "1.31.1": ("3.11", "3.12", "3.13"),
}  # fmt: skip

MODELS = ("labels", "resnet8", "pointnet2", "tiny-bert", "wav-encoder")
PRODUCERS = ("torch==2.1.2,onnx-torchscript,opset17", "torch==2.13.0,onnx-dynamo,opset18")

HOSTILE = (
    "<script>window.pwned=1</script>",
    "</script><script>window.pwned=2</script>",
    "<img src=x onerror=window.pwned=3>",
    "{{ 7*7 }}{% raw %}{{ self }}",
    "\u202eevil\u202c rtl",
    "🧨 emoji 👩‍🚀",
    "\x1b[31mred\x1b[0m\x07\x08",
    "-->]]><!--",
    "a" * 10_000,
    "'\"&amp;<b>",
    "javascript:alert(1)",
    "`|pipe|`\n# heading",
    "__proto__",
    "constructor",
    "\ud800lone",
    "\u2028\u2029sep",
)


@dataclass(frozen=True, kw_only=True)
class Draw:
    """How large and how odd the run is."""

    name: str = "onnxruntime-upgrade"
    cases: int = 1500
    releases: Sequence[str] = ("1.19.2", "1.20.1", "1.22.1", "1.24.4", "1.28.0", "1.31.1")
    pythons: Sequence[str] = ("3.9", "3.11", "3.12", "3.13")
    openvino_ep: Sequence[str] = ("1.20.0", "1.24.1")
    openvino: Sequence[str] = ("2024.6.0", "2026.1.0")
    odd_cells: bool = True
    datasets: int = 2
    models: Sequence[str] = MODELS
    hostile: bool = False
    failures: int = 0  # at least this many more random failures, for the budget
    threads: Sequence[str] = ()
    finished: bool = True
    extra: dict[str, Any] = field(default_factory=dict)


def number(*parts: object) -> float:
    """The same value in [0, 1) for the same parts, always and everywhere."""
    text = "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=6).digest(), "big") / 2**48


def cell_id(axes: dict[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(axes).encode()).hexdigest()[:8]
    slug = "-".join(
        re.sub(r"[^a-z0-9.]+", "-", value.lower().replace("executionprovider", "")).strip("-")
        for value in axes.values()
    )
    return f"{slug}-{digest}"


def op_cases(draw: Draw) -> list[tuple[str, str, int]]:
    """(unit, case, opset), the same for every cell."""
    out: list[tuple[str, str, int]] = []
    names = [f"ai.onnx::{name}" for name in OPERATORS] + [f"ai.onnx.ml::{name}" for name in ML]
    k = 0
    while len(out) < draw.cases:
        for name in names:
            if len(out) >= draw.cases:
                break
            if k > 2 and number("sparse", name, k) < 0.35:
                continue
            corpus = ("1.16.2", "1.18.0", "1.22.0", "1.23.2")[int(number("corpus", name, k) * 4)]
            opset = (
                (19, 21, 22, 25)[("1.16.2", "1.18.0", "1.22.0", "1.23.2").index(corpus)]
                if number("opset", name, k) < 0.6
                else 13 + k % 6
            )
            stem = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.split("::")[1]).lower()
            kind = ("default", "axis", "float16", "broadcast", "3d", "expanded", "negative")[k % 7]
            out.append((name, f"test_{stem}_{kind}_{k}@onnx=={corpus}", opset))
        k += 1
    if draw.hostile:
        for i, text in enumerate(HOSTILE):
            unit, case, opset = out[i]
            out[i] = (text if i % 2 else unit, text + case, opset)
    return out


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One operator case in one cell."""

    draw: Draw
    axes: dict[str, str]
    unit: str
    case: str
    opset: int

    @property
    def sold(self) -> str:
        return self.axes["framework"].partition("==")[0]

    @property
    def version(self) -> str:
        return self.axes["framework"].partition("==")[2]

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split("."))

    @property
    def name(self) -> str:
        return self.unit.rpartition("::")[2]


def wrong(ratio: float, **more: Any) -> dict[str, Any]:
    return {"status": "failed", "stage": "compare", "ratio": ratio, **more}


def gated(a: Asked) -> dict[str, Any] | None:
    newest = MAX_OPSET.get(a.version, 22)
    if not a.sold.startswith("onnxruntime") or a.opset <= newest:
        return None
    return {
        "status": "gated", "stage": "load", "rule": "opset-too-new",
        "signature": "Current official support for domain D is till opset N",
        "message": "[ONNXRuntimeError] : 1 : FAIL : Load model failed: Current official support "
        f"for domain ai.onnx is till opset {newest}.",
    }  # fmt: skip


def without_kernel(a: Asked) -> dict[str, Any] | None:
    never = a.name in {"ImageDecoder", "MaxUnpool", "TensorScatter"}
    late = a.name in {"RMSNormalization", "Swish"} and a.numbers < (1, 28)
    if not a.sold.startswith("onnxruntime") or not (never or late):
        return None
    return {
        "status": "unsupported", "stage": "load", "rule": "not-implemented",
        "signature": "9 : NOT_IMPLEMENTED : Could not find an implementation for Op(v)",
        "message": "[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : Could not find an implementation "
        f"for {a.name}({a.opset}) node with name ''",
    }  # fmt: skip


def broken_by_release(a: Asked) -> dict[str, Any] | None:
    if not a.sold.startswith("onnxruntime"):
        return None
    new = a.name in {"Tile", "ScatterND", "QLinearConv", "Resize"} and a.numbers >= (1, 28)
    if new and number("x", a.case) < 0.5:
        return wrong(40 + 900 * number("r", a.case))
    if a.name == "DFT" and (1, 20) <= a.numbers < (1, 24) and number("dft", a.case) < 0.4:
        return wrong(3.2)
    if a.name == "Upsample":
        return wrong(12.0, known="upsample-nearest")
    return None


def dies(a: Asked) -> dict[str, Any] | None:
    if not a.sold.startswith("onnxruntime"):
        return None
    if a.name == "Scan" and a.numbers == (1, 31, 1) and a.case.endswith("18.0"):
        words = "killed by SIGSEGV in run"
        return {"status": "crashed", "stage": "run", "signal": "SIGSEGV", "signature": words,
                "message": words}  # fmt: skip
    if a.name == "Bernoulli" and "float16" in a.case:
        return {"status": "nondeterministic", "stage": "compare", "ratio": 8.0}
    if a.name == "Loop" and a.numbers < (1, 20):
        return {"status": "timed_out", "stage": "run", "message": "no answer within 30 s",
                "signature": "no answer within the case's limit"}  # fmt: skip
    return None


def openvino(a: Asked) -> dict[str, Any] | None:
    share = 0.46 if a.version == "1.20.0" else 0.3
    if a.sold == "onnxruntime-openvino" and number("ep", a.unit, a.version) < share:
        return {"status": "fallback", "stage": "compare", "ran": {"CPUExecutionProvider": 1}}
    if a.sold != "openvino":
        return None
    if number("ov", a.unit) < 0.17:
        return {
            "status": "unsupported", "stage": "load", "rule": "openvino-unsupported",
            "signature": "OpenVINO does not support the following ONNX operations: X",
            "message": f"OpenVINO does not support the following ONNX operations: {a.name}",
        }  # fmt: skip
    if number("ovc", a.unit) < 0.05:
        return {
            "status": "error", "stage": "load", "rule": None,
            "signature": "Check 'X' failed at src/op/N.cpp:N: While validating ONNX node",
            "message": f"Check 'data_rank.compatible(2)' failed at src/op/{a.name}.cpp:118:\n"
            "While validating ONNX node '<Node>': rank mismatch",
        }  # fmt: skip
    return None


def at_random(a: Asked) -> dict[str, Any] | None:
    where = (a.axes["framework"], a.axes["python"], a.case)
    if a.draw.failures and number("more", *where) < 0.095:
        return {
            "status": "error", "stage": "run",
            "signature": f"Non-zero status code returned while running X node ({a.name})",
            "message": f"Non-zero status code returned while running {a.name} node. "
            f"Name:'{a.case}' Shape {{{int(number('s', a.case) * 900)},3}} does not match",
        }  # fmt: skip
    if number("skip", a.case) < 0.004:
        return {"status": "skipped", "stage": "check", "message": "rule: needs the network"}
    return None


WORLD = (gated, without_kernel, broken_by_release, dies, openvino, at_random)


def op_status(asked: Asked) -> dict[str, Any]:
    """What the world says about one operator case: the first that has something to say."""
    told = (rule(asked) for rule in WORLD)
    return next((seen for seen in told if seen), {"status": "passed", "stage": "compare"})


def parity_cases(draw: Draw, axes: dict[str, str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(model, case, what happened) of the parity check in a cell."""
    distribution, _, version = axes["framework"].partition("==")
    numbers = tuple(int(part) for part in version.split("."))
    for model in draw.models:
        variants = [f"{model}/{p}" for p in PRODUCERS] if model == "pointnet2" else [model]
        for variant in variants:
            for k in range(draw.datasets):
                base = 10 ** (-4.5 + 4 * number("p", variant, k, distribution))
                seen: dict[str, Any] = {"status": "passed", "stage": "compare", "ratio": base}
                if model == "resnet8" and distribution == "openvino":
                    seen["ratio"] = 0.6 + 0.35 * number(version, k)
                if "dynamo" in variant and numbers < (1, 22) and distribution == "onnxruntime":
                    seen = {
                        "status": "error", "stage": "load",
                        "signature": "10 : INVALID_GRAPH : Type Error: Type 'T' of input parameter",
                        "message": "[ONNXRuntimeError] : 10 : INVALID_GRAPH : Type Error: Type "
                        "'tensor(int64)' of input parameter (fps_idx) is invalid",
                    }  # fmt: skip
                if model == "tiny-bert" and numbers >= (1, 28) and distribution == "onnxruntime":
                    seen = {
                        "status": "failed", "stage": "compare", "ratio": 210 * (k + 1),
                        "attribution": "optimizer",
                        "detail": {"optimizer_off": "passed", "cpu": "failed"},
                    }  # fmt: skip
                if model == "wav-encoder" and distribution == "onnxruntime-openvino":
                    seen |= {"status": "fallback", "ran": {"OpenVINOExecutionProvider": 3,
                                                           "CPUExecutionProvider": 9}}  # fmt: skip
                if model == "labels":
                    seen["ratio"] = 0.0
                yield model, f"{variant}/test_data_set_{k}", seen


def mismatch(seen: dict[str, Any], key: str) -> dict[str, Any]:
    ratio = seen["ratio"]
    expected = 2 * number("e", key) - 1
    return {
        "output": "logits" if number("o", key) < 0.7 else "Y", "kind": "values",
        "max_abs": ratio * 1.1e-4, "max_rel": ratio * 1e-3 * (1 + number("rel", key)),
        "max_ulp": int(ratio * 900), "index": [0, int(number("i", key) * 900)],
        "actual": expected + ratio * 1.1e-4, "expected": expected, "ratio": ratio,
        "beyond": 0 if ratio <= 1 else int(1 + 300 * number("b", key)), "of": 1000,
    }  # fmt: skip


def cost(framework: str, model: str, key: str) -> tuple[float, float]:
    """Seconds of a run and their spread: a model of its own size, a release that is slower."""
    version = tuple(int(part) for part in framework.partition("==")[2].split("."))
    slower = 1.6 if model == "resnet8" and version >= (1, 24) else 1.0
    run = 10 ** (-4 + 2 * number("cost", model)) * slower * (1 + 0.04 * number("run", key))
    return round(run, 9), 0.05 + 0.05 * number("spread", key)


def line(
    draw: Draw, cell: dict[str, Any], named: tuple[str, str, str, int], seen: dict[str, Any]
) -> dict[str, Any]:
    """One case of cases.jsonl.gz; `named` is its check, unit, name and opset."""
    check, unit, case, opset = named
    provider = cell["axes"]["provider"]
    bad = {"failed", "nondeterministic", "error", "crashed", "timed_out", "out_of_memory"}
    info = {"unsupported", "gated", "fallback", "skipped", "not_run"}
    status = seen["status"]
    record: dict[str, Any] = {
        "cell": cell["id"], "check": check, "unit": unit, "case": case, "opset": opset,
        "stage": seen["stage"], "status": status,
        "outcome": "xfail" if "known" in seen else "not_ok" if status in bad
        else "info" if status in info else "ok",
        "requested": provider,
        "reference": {"kind": "suite", "source": f"onnx=={case.rpartition('==')[2]}"}
        if check == "op_support"
        else {"kind": "onnx", "source": "onnx==1.23.2", "version": "1.23.2"},
        "seconds": {"load": 0.0004, "run": round(0.0004 + number("t", case, cell["id"]) / 800, 6)},
        **({"reason": seen["message"]} if status in {"not_run", "skipped"} else {}),
        "repro": f"pytest --compat-matrix matrices/{draw.name}.yaml '{draw.name}.yaml::{cell['id']}"
        f"::{check}::{unit.replace('::', '.')}' --compat-case '{case}'",
    }  # fmt: skip
    if check == "parity" and seen["stage"] == "compare":
        run, spread = cost(cell["axes"]["framework"], unit, cell["id"] + case)
        record["seconds"] = {
            "load": round(run * 9, 6), "run": run,
            "runs": {"n": 3, "min": round(run * (1 - spread), 9),
                     "max": round(run * (1 + spread), 9)},
        }  # fmt: skip
        record["peak_rss"] = int(6e7 + 9e7 * number("rss", unit))
        record["model_bytes"] = int(1e4 + 3e6 * number("size", unit))
    if seen["stage"] == "compare":
        record["ran_on"] = seen.get("ran") or {provider: 1}
    if "signature" in seen:
        record["error"] = {
            key: seen[key] for key in ("signature", "message", "rule", "signal") if seen.get(key)
        }
    if "ratio" in seen:
        record["mismatch"] = mismatch(seen, cell["id"] + case)
    for key in ("known", "attribution"):
        if key in seen:
            record[key] = seen[key]
    if "detail" in seen:
        record["attribution_detail"] = seen["detail"]
    if draw.hostile and "error" in record:
        text = HOSTILE[int(number("h", case) * len(HOSTILE))]
        record["error"]["message"] += text
        record["error"]["signature"] = record["error"].get("signature", "") + text
    return record


def cells(draw: Draw) -> Iterator[dict[str, Any]]:
    """Cell entries of run.json, without counts."""

    def make(framework: str, python: str, image: str, provider: str, status: str = "completed",
             **more: Any) -> dict[str, Any]:  # fmt: skip
        threads = more.pop("threads", None)
        axes = {"framework": framework, "python": python, "image": image, "provider": provider}
        if threads:
            axes["env.OMP_NUM_THREADS"] = threads
        key = cell_id(axes)
        bad = {"environment_failed", "misconfigured", "infrastructure_failed"}
        lock = hashlib.sha256((framework + python + image).encode()).hexdigest()
        version = framework.partition("==")[2]
        return {
            "id": key, "matrix": draw.name, "axes": axes, "status": status,
            "outcome": "ok" if status == "completed" else "not_ok" if status in bad else "info",
            "environment": {
                "id": f"env-{lock[:8]}", "kind": "host" if image == "host" else "docker",
                "image": image, "python": python, "lock": f"locks/{lock[:16]}.txt",
                "lock_digest": f"sha256:{lock}",
                **({} if image == "host" else {"image_digest": f"sha256:{lock[::-1]}"}),
            },
            "attestation": {} if status in {"unsatisfiable", "unavailable"} else {
                "python": f"{python}.7", "versions": {framework.partition("==")[0]: version,
                                                      "numpy": "2.2.6"},
                "cpu": "x86-64, 2 cores, AVX2 AVX512F", "machine": "x86_64",
                "providers": [provider, "CPUExecutionProvider"], "libc": "glibc 2.36",
                "newest_opset": {"ai.onnx": MAX_OPSET.get(version, 22)},
            },
            "seconds": {"resolve": round(0.2 + number("a", key), 3),
                        "install": round(0.5 + 3 * number("b", key), 3),
                        "run": round(2 + 9 * number("c", key), 3)},
            "repro": f"pytest --compat-matrix matrices/{draw.name}.yaml --compat-select "
            f"'framework:{framework} python:{python} image:{image} provider:{provider}'",
            **more,
        }  # fmt: skip

    cpu = "CPUExecutionProvider"
    for version in draw.releases:
        for python in draw.pythons:
            for threads in draw.threads or (None,):
                if python not in PYTHONS_OF[version]:
                    yield make(
                        f"onnxruntime=={version}", python, "host", cpu, "unsatisfiable",
                        stage="resolve", threads=threads,
                        reason=f"Because onnxruntime=={version} has no wheels with a matching "
                        f"Python ABI tag (cp{python.replace('.', '')}) and you require "
                        f"onnxruntime=={version}, we can conclude that your requirements are "
                        "unsatisfiable.",
                    )  # fmt: skip
                else:
                    yield make(f"onnxruntime=={version}", python, "host", cpu, threads=threads)
    for version in draw.openvino_ep:
        yield make(f"onnxruntime-openvino=={version}", "3.11", "host", "OpenVINOExecutionProvider")
    for version in draw.openvino:
        yield make(f"openvino=={version}", "3.11", "host", "CPU")
    if draw.odd_cells:
        yield make(
            "onnxruntime==1.28.0", "3.9", "debian:bullseye", cpu, "environment_failed",
            stage="import", reason="ImportError: /lib/x86_64-linux-gnu/libc.so.6: version "
            "`GLIBC_2.34' not found (required by onnxruntime_pybind11_state.so)",
        )  # fmt: skip
        yield make("onnxruntime==1.19.2", "3.9", "debian:bullseye", cpu)
        yield make("onnxruntime==1.24.4", "3.11", "debian:bookworm", cpu)
        yield make("onnxruntime==1.28.0", "3.11", "debian:bookworm", cpu)
        yield make(
            "onnxruntime-gpu==1.28.0", "3.11", "host", "CUDAExecutionProvider", "unavailable",
            stage="start", reason="Failed to load library libonnxruntime_providers_cuda.so: "
            "libcublasLt.so.12: cannot open shared object file",
        )  # fmt: skip
        yield make(
            "onnxruntime==1.31.1", "3.11", "host", "XnnpackExecutionProvider", "misconfigured",
            stage="assign", reason="XnnpackExecutionProvider was accepted but ran no node",
        )  # fmt: skip
        yield make(
            "onnxruntime==1.31.1", "3.12", "debian:trixie", cpu, "infrastructure_failed",
            stage="start", reason="the container engine stopped answering",
        )  # fmt: skip


def cell_cases(draw: Draw, cell: dict[str, Any],
               ops: Sequence[tuple[str, str, int]]) -> Iterator[dict[str, Any]]:  # fmt: skip
    status = cell["status"]
    stopped = None
    if status not in {"completed", "misconfigured"}:
        stopped = {"status": "not_run", "stage": "check", "message": status}
    for unit, case, opset in ops:
        seen = stopped or op_status(
            Asked(draw=draw, axes=cell["axes"], unit=unit, case=case, opset=opset)
        )
        if status == "misconfigured" and seen["status"] == "passed":
            seen = {**seen, "status": "fallback", "ran": {"CPUExecutionProvider": 1}}
        yield line(draw, cell, ("op_support", unit, case, opset), seen)
    for model, case, seen in parity_cases(draw, cell["axes"]):
        yield line(draw, cell, ("parity", model, case, 17), stopped or seen)


def write(folder: Path, draw: Draw | None = None) -> Path:
    """Writes run.json, plan.json and cases.jsonl.gz under a folder and returns it."""
    draw = draw or Draw()
    folder.mkdir(parents=True, exist_ok=True)
    ops = op_cases(draw)
    entries = list(cells(draw))
    if draw.hostile:
        for i, cell in enumerate(entries):
            text = HOSTILE[i % len(HOSTILE)]
            cell["axes"]["options.note"] = text
            cell["id"] = f"{cell['id']}-{text}"
            if "reason" in cell:
                cell["reason"] += text
    with gzip.open(folder / "cases.jsonl.gz", "wt", encoding="ascii", compresslevel=1) as out:
        for cell in entries:
            counts: dict[str, int] = {}
            for n, record in enumerate(cell_cases(draw, cell, ops)):
                record["n"] = n
                counts[record["status"]] = counts.get(record["status"], 0) + 1
                out.write(json.dumps(record, separators=(",", ":")) + "\n")
            cell["counts"] = counts
    environments = {
        cell["environment"]["id"]: {
            "id": cell["environment"]["id"], "role": "cell", "kind": cell["environment"]["kind"],
            "lock_digest": cell["environment"]["lock_digest"], "python": cell["axes"]["python"],
            "status": cell["status"] if cell["status"] in {"unsatisfiable", "environment_failed"}
            else "completed",
            "seconds": {key: cell["seconds"][key] for key in ("resolve", "install")},
            "packages": [cell["axes"]["framework"], "coloredlogs==15.0.1", "flatbuffers==25.2.10",
                         "numpy==2.2.6" if cell["axes"]["python"] != "3.9" else "numpy==1.26.4",
                         "packaging==25.0", "protobuf==5.29.4", "sympy==1.13.3"],
            "log": f"Resolved 8 packages\n{cell.get('reason', '')}\n",
        }
        for cell in entries
    }  # fmt: skip
    run = {
        "schema": 1,
        "run": {
            "id": "20261114-210412-7c41", "started": "2026-11-14T21:04:12Z",
            "finished": "2026-11-14T21:10:24Z" if draw.finished else None,
            "tool": {"name": "pytest-modelcompat", "version": "0.1.0"},
            "host": {"system": "Linux", "release": "6.1", "machine": "x86_64", "cpus": 2},
            "matrices": [
                {"name": draw.name, "file": f"{draw.name}.yaml", "digest": "sha256:" + "ab" * 32}
            ],
            "plan_digest": "sha256:" + "cd" * 32, "baseline": None,
            "issues": {"upsample-nearest": "https://example.org/issues/1"},
        },
        "environments": list(environments.values()),
        "cells": entries,
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(run | draw.extra), encoding="utf-8")
    (folder / "plan.json").write_text(
        json.dumps({"schema": 1, "cells": [c["id"] for c in entries]})
    )
    return folder


LARGE = Draw(
    name="nightly",
    cases=1460,
    releases=tuple(MAX_OPSET),
    pythons=("3.11", "3.12", "3.13"),
    threads=("1", "2", "4"),
    datasets=24,
    models=(*MODELS, "mobilenet", "yolo", "whisper-tiny", "segmenter", "ranker", "tabular"),
    failures=1,
)


if __name__ == "__main__":
    import sys
    from pathlib import Path as _Path

    kinds = {"usual": Draw(), "large": LARGE, "hostile": Draw(hostile=True, cases=300)}
    print(write(_Path(sys.argv[2]), kinds[sys.argv[1]]))
