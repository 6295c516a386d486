# /// script
# requires-python = "==3.11.*"
# dependencies = [
#   "numpy==2.4.6",
#   "onnx==1.18.0",
#   "onnxruntime==1.23.2",
#   "scikit-learn==1.9.1",
#   "skl2onnx==1.20.0",
#   "torch==2.13.0",
# ]
# ///
"""Make the models that the shipped matrices carry, with their inputs and expected outputs.

    uv run matrices/models/make.py                  # all of them, in place
    uv run matrices/models/make.py wine-forest      # one of them
    uv run matrices/models/make.py --check          # make them elsewhere and tell what differs

Any Python 3.11 environment with the versions in the header does as well. Everything starts from a
fixed seed and runs on one thread, so the same machine makes the same bytes; another processor may
train to slightly different weights, which is why model, inputs and expected outputs are always
made together.

All models are IR version 8 and opset 17 or older, so that ONNX Runtime 1.15 still takes them. The
expected outputs come from whoever made the model (scikit-learn's or torch's own predictions), not
from a runtime that is under test; where that is impossible, the function says so.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

IR_VERSION = 8
OPSET = 17
ML_OPSET = 3
SEED = 20260501
HERE = Path(__file__).parent

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Made:
    """One model with the data it is judged by.

    Attributes:
        model: as it will be saved.
        inputs: tensor name -> array.
        outputs: tensor name -> expected array.
        external: whether the weights go into a file of their own.
        folder: whether the data is written as test_data_set_0 instead of as two .npz files.
    """

    model: onnx.ModelProto
    inputs: Arrays
    outputs: Arrays
    external: bool = False
    folder: bool = False


# --- scikit-learn -------------------------------------------------------------------------------


def convert(estimator: Any, sample: np.ndarray) -> onnx.ModelProto:
    """The estimator as ONNX, with probabilities as one tensor instead of a list of maps."""
    options = {type(estimator): {"zipmap": False}}
    if hasattr(estimator, "steps"):
        options = {id(estimator): {"zipmap": False}}
    return to_onnx(
        estimator,
        sample[:1],
        options=options,
        target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
    )


def classified(estimator: Any, rows: np.ndarray) -> Arrays:
    """What the library itself says about these rows."""
    return {
        "label": estimator.predict(rows),
        "probabilities": estimator.predict_proba(rows).astype(np.float32),
    }


def digits_mlp() -> Made:
    """Handwritten digits, scaled, then a multi-layer perceptron: int64 labels and probabilities."""
    pixels, labels = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype(np.float32)
    train, test, expected, _ = train_test_split(pixels, labels, random_state=SEED)
    estimator = make_pipeline(
        StandardScaler(),
        MLPClassifier((32,), max_iter=60, early_stopping=True, random_state=SEED),
    )
    estimator.fit(train, expected)
    return Made(
        model=convert(estimator, train),
        inputs={"X": test[:48]},
        outputs=classified(estimator, test[:48]),
    )


def wine_forest() -> Made:
    """Wine cultivars, a random forest: the TreeEnsembleClassifier of ai.onnx.ml."""
    rows, labels = load_wine(return_X_y=True)
    train, test, expected, _ = train_test_split(
        rows.astype(np.float32), labels, random_state=SEED, test_size=0.3
    )
    estimator = RandomForestClassifier(24, max_depth=6, random_state=SEED)
    estimator.fit(train, expected)
    return Made(
        model=convert(estimator, train), inputs={"X": test}, outputs=classified(estimator, test)
    )


def cancer_boosting() -> Made:
    """Breast-cancer diagnosis, gradient boosting: 40 regression trees added up."""
    rows, labels = load_breast_cancer(return_X_y=True)
    train, test, expected, _ = train_test_split(rows.astype(np.float32), labels, random_state=SEED)
    estimator = GradientBoostingClassifier(n_estimators=40, max_depth=3, random_state=SEED)
    estimator.fit(train, expected)
    return Made(
        model=convert(estimator, train), inputs={"X": test}, outputs=classified(estimator, test)
    )


def weather_onehot() -> Made:
    """String columns in, string labels out: one-hot encoding and a logistic regression."""
    outlook, wind = ("sunny", "overcast", "rain"), ("weak", "strong")
    humidity, warmth = ("low", "normal", "high"), ("cold", "mild", "warm", "très chaud")
    rows = np.array([[o, w, h, t] for o in outlook for w in wind for h in humidity for t in warmth])
    bad = np.array([
        (row[0] == "rain") * 2 + (row[1] == "strong") + (row[2] == "high") + (row[3] == "cold")
        for row in rows
    ])  # fmt: skip
    labels = np.select([bad >= 3, bad >= 1], ["stay in", "take a coat"], "go out")  # noqa: PLR2004
    estimator = make_pipeline(
        OneHotEncoder(handle_unknown="ignore"), LogisticRegression(C=4.0, max_iter=500)
    )
    estimator.fit(rows, labels)
    unseen = np.array([["fog", "weak", "low", "mild"], ["", "strong", "high", "cold"]])
    picked = np.concatenate([rows[::5], unseen])
    return Made(
        model=convert(estimator, rows), inputs={"X": picked}, outputs=classified(estimator, picked)
    )


# --- torch --------------------------------------------------------------------------------------


class Convolutional(nn.Module):
    """Two convolutions, batch normalisation, pooling, one linear layer; 8 x 8 grey images."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(256, 10),
        )  # fmt: skip

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.body(image)


class Attention(nn.Module):
    """Masked self-attention in plain operators, as exporters of small encoders write it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.mixed, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, state: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        batch, length, width = state.shape
        parts = self.mixed(state).reshape(batch, length, 3, self.heads, self.size)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        scores = query @ key.transpose(-1, -2) / self.size**0.5
        scores = scores.masked_fill(mask[:, None, None, :] == 0, -1e4)
        return self.out((scores.softmax(-1) @ value).transpose(1, 2).reshape(batch, length, width))


class Encoder(nn.Module):
    """A transformer encoder: embeddings, two layers of attention and GELU, a pooled answer."""

    def __init__(self, words: int = 97, width: int = 32, heads: int = 4, layers: int = 2) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(64, width)
        self.attention = nn.ModuleList(Attention(width, heads) for _ in range(layers))
        self.feed = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
            for _ in range(layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * layers))

    def forward(
        self, tokens: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        places = torch.arange(tokens.shape[1], device=tokens.device)
        state = self.words(tokens) + self.places(places)
        for layer, (attend, feed) in enumerate(zip(self.attention, self.feed, strict=True)):
            state = self.norms[2 * layer](state + attend(state, mask))
            state = self.norms[2 * layer + 1](state + feed(state))
        kept = mask.unsqueeze(-1).to(state.dtype)
        return state, (state * kept).sum(1) / kept.sum(1)


class Recurrent(nn.Module):
    """A stateful LSTM step: the caller keeps the two states between calls."""

    def __init__(self, features: int = 6, hidden: int = 24) -> None:
        super().__init__()
        self.cell, self.out = nn.LSTM(features, hidden, batch_first=True), nn.Linear(hidden, 3)

    def forward(
        self, steps: torch.Tensor, hidden: torch.Tensor, memory: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        state, (hidden, memory) = self.cell(steps, (hidden, memory))
        return self.out(state), hidden, memory


class Autoencoder(nn.Module):
    """Images squeezed into eight numbers and drawn again."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 8))
        self.decode = nn.Sequential(nn.Linear(8, 32), nn.ELU(), nn.Linear(32, 64), nn.Sigmoid())

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        code = self.encode(image)
        return code, self.decode(code)


def images() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Digits for training, their labels, and digits kept back."""
    pixels, labels = load_digits(return_X_y=True)
    train, test, answers, _ = train_test_split(
        (pixels / 16).astype(np.float32), labels, random_state=SEED
    )
    return torch.from_numpy(train), torch.from_numpy(answers), torch.from_numpy(test)


def fit(module: nn.Module, rows: torch.Tensor, loss: Callable[[torch.Tensor], Any]) -> None:
    """Train for a few seconds; `loss` is given the indexes of a batch."""
    torch.manual_seed(SEED)
    optimizer = torch.optim.Adam(module.parameters(), lr=4e-3)
    for _ in range(12):
        for batch in torch.randperm(len(rows)).split(64):
            optimizer.zero_grad()
            loss(batch).backward()
            optimizer.step()
    module.eval()


def export(
    module: nn.Module,
    arguments: Mapping[str, torch.Tensor],
    outputs: tuple[str, ...],
    dynamic: Mapping[str, Mapping[int, str]],
    **flags: bool,
) -> Made:
    """The module by the TorchScript exporter, and what torch itself answers."""
    module.eval()
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter announces its own retirement
        torch.onnx.export(
            module,
            tuple(arguments.values()),
            buffer,
            opset_version=OPSET,
            dynamo=False,
            input_names=list(arguments),
            output_names=list(outputs),
            dynamic_axes={name: dict(axes) for name, axes in dynamic.items()},
        )
    with torch.no_grad():
        answers = module(*arguments.values())
    if isinstance(answers, torch.Tensor):
        answers = (answers,)
    return Made(
        model=onnx.load_model_from_string(buffer.getvalue()),
        inputs={name: tensor.numpy() for name, tensor in arguments.items()},
        outputs={name: answer.numpy() for name, answer in zip(outputs, answers, strict=True)},
        **flags,
    )


def trained_convolutional() -> tuple[Convolutional, torch.Tensor, torch.Tensor]:
    """The network behind digits-cnn and its int8 variant, with training and kept-back images."""
    rows, labels, kept = images()
    torch.manual_seed(SEED)
    module = Convolutional()
    loss = nn.CrossEntropyLoss()
    shaped = rows.reshape(-1, 1, 8, 8)
    fit(module, shaped, lambda batch: loss(module(shaped[batch]), labels[batch]))
    return module, shaped, kept.reshape(-1, 1, 8, 8)


def digits_cnn() -> Made:
    """Handwritten digits, a small convolutional network; the batch is dynamic."""
    module, _, kept = trained_convolutional()
    return export(
        module,
        {"image": kept[:16]},
        ("logits",),
        {"image": {0: "batch"}, "logits": {0: "batch"}},
    )


def digits_cnn_int8() -> Made:
    """The same network, quantized to int8 with quantize and dequantize nodes (QDQ).

    The expected outputs are those of onnx's reference evaluator, which computes the dequantized
    convolutions in float32: a runtime that uses integer kernels may be one quantum away. It has no
    DequantizeLinear-13, so it is given the same graph as opset 19, where 8-bit types mean the same.
    """
    from onnx.reference import ReferenceEvaluator
    from onnx.version_converter import convert_version
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Images(CalibrationDataReader):
        def __init__(self, batches: list[np.ndarray]) -> None:
            self.left = iter([{"image": batch} for batch in batches])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.left, None)

    original = digits_cnn()
    _, rows, _ = trained_convolutional()
    with tempfile.TemporaryDirectory() as name:
        plain, folded, target = (Path(name, stem) for stem in ("a.onnx", "b.onnx", "c.onnx"))
        save(original.model, plain)
        quant_pre_process(plain, folded, skip_symbolic_shape=True)
        quantize_static(
            folded,
            target,
            Images([batch.numpy() for batch in rows[:256].split(32)]),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
        model = onnx.load(target)
    tidy(model)
    answers = ReferenceEvaluator(convert_version(model, 19)).run(None, original.inputs)
    return Made(model=model, inputs=original.inputs, outputs={"logits": answers[0]})


def sentence_encoder() -> Made:
    """A two-layer transformer encoder with padding, from a seed; batch and length are dynamic."""
    torch.manual_seed(SEED)
    tokens = torch.randint(1, 97, (3, 20))
    mask = torch.ones_like(tokens)
    for row, length in enumerate((20, 13, 1)):
        tokens[row, length:], mask[row, length:] = 0, 0
    free = {0: "batch", 1: "length"}
    return export(
        Encoder(),
        {"tokens": tokens, "mask": mask},
        ("states", "pooled"),
        {"tokens": free, "mask": free, "states": free, "pooled": {0: "batch"}},
        folder=True,
    )


def sensor_lstm() -> Made:
    """A recurrent network whose states go in and come out, from a seed."""
    torch.manual_seed(SEED)
    states = {name: torch.randn(1, 2, 24) * 0.3 for name in ("hidden", "memory")}
    return export(
        Recurrent(),
        {"steps": torch.randn(2, 40, 6), **states},
        ("scores", "next_hidden", "next_memory"),
        {"steps": {1: "time"}, "scores": {1: "time"}},
    )


def digits_autoencoder() -> Made:
    """An autoencoder whose weights lie in a file beside the model (external data)."""
    rows, _, kept = images()
    torch.manual_seed(SEED)
    module = Autoencoder()
    fit(module, rows, lambda batch: nn.functional.mse_loss(module(rows[batch])[1], rows[batch]))
    return export(
        module,
        {"image": kept[:8]},
        ("code", "drawn"),
        {name: {0: "batch"} for name in ("image", "code", "drawn")},
        external=True,
    )


# --- files --------------------------------------------------------------------------------------

MODELS: dict[str, Callable[[], Made]] = {
    "cancer-boosting": cancer_boosting,
    "digits-autoencoder": digits_autoencoder,
    "digits-cnn": digits_cnn,
    "digits-cnn-int8": digits_cnn_int8,
    "digits-mlp": digits_mlp,
    "sensor-lstm": sensor_lstm,
    "sentence-encoder": sentence_encoder,
    "weather-onehot": weather_onehot,
    "wine-forest": wine_forest,
}


def tidy(model: onnx.ModelProto) -> None:
    """Take out what differs between machines or asks for more than the graph needs."""
    model.ir_version = IR_VERSION
    model.doc_string = ""
    model.graph.doc_string = ""
    used = {node.domain for node in model.graph.node} | {""}
    asked = {entry.domain: entry.version for entry in model.opset_import if entry.domain in used}
    del model.opset_import[:]  # skl2onnx writes them in any order, and some of them twice
    for domain, version in sorted(asked.items()):
        model.opset_import.append(onnx.helper.make_opsetid(domain, version))
    for node in model.graph.node:
        node.doc_string = ""


def save(model: onnx.ModelProto, path: Path, *, external: bool = False) -> None:
    """Write a model whose IR version every shipped runtime release takes."""
    tidy(model)
    onnx.checker.check_model(model, full_check=True)
    if external:
        onnx.save_model(
            model, path, save_as_external_data=True, location="weights.bin", size_threshold=0
        )
    else:
        onnx.save_model(model, path)


def write(made: Made, folder: Path) -> None:
    """Write one model and its data into its folder, replacing what was there."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.rglob("*"), reverse=True):
        if old.is_dir():
            old.rmdir()
        else:
            old.unlink()
    names = [value.name for value in made.model.graph.output]
    if sorted(names) != sorted(made.outputs):
        message = f"{folder.name} returns {names}, expected are {sorted(made.outputs)}"
        raise SystemExit(message)
    save(made.model, folder / "model.onnx", external=made.external)
    if not made.folder:
        np.savez_compressed(folder / "holdout.npz", **made.inputs)
        np.savez_compressed(folder / "holdout-expected.npz", **made.outputs)
        return
    data = folder / "test_data_set_0"
    data.mkdir()
    for kind, values, arrays in (
        ("input", made.model.graph.input, made.inputs),
        ("output", made.model.graph.output, made.outputs),
    ):
        for place, value in enumerate(values):
            tensor = numpy_helper.from_array(arrays[value.name], value.name)
            (data / f"{kind}_{place}.pb").write_bytes(tensor.SerializeToString())


def differences(made: Path, committed: Path) -> list[str]:
    """The files that differ between two folders of one model."""
    files = {path.relative_to(made) for path in made.rglob("*") if path.is_file()}
    files |= {path.relative_to(committed) for path in committed.rglob("*") if path.is_file()}
    return [
        str(file)
        for file in sorted(files)
        if not ((made / file).is_file() and (committed / file).is_file())
        or (made / file).read_bytes() != (committed / file).read_bytes()
    ]


def main() -> int:
    """Make the models named on the command line, or all."""
    parser = argparse.ArgumentParser(description="Make the shipped models.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MODELS))
    parser.add_argument("--check", action="store_true", help="compare with what is committed")
    asked = parser.parse_args()
    unknown = sorted(set(asked.names) - set(MODELS))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(MODELS)}")
    differing = 0
    with tempfile.TemporaryDirectory() as name:
        for model in asked.names or MODELS:
            random.seed(SEED)
            torch.set_num_threads(1)
            folder = Path(name, model) if asked.check else HERE / model
            write(MODELS[model](), folder)
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            found = differences(folder, HERE / model) if asked.check else []
            differing += bool(found)
            print(f"{model}: {size:,} bytes", *(f"differs: {file}" for file in found), sep="  ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
