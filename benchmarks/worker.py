"""What the worker costs: a cell through supervisor, child and host, against one bare process.

    python benchmarks/worker.py --python ENV/bin/python --bundle CORPUS.bundle

Both load and run the same cases with the same adapter and compare every output with the expected
one. The bare process does it in one interpreter, without supervisor, stream or host. Prints both
times of each round and the ratio of the medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

from pytest_modelcompat.runner import cell, command
from pytest_modelcompat.runner.zipapp import worker_file
from pytest_modelcompat.worker.bundle import Bundle

BARE = """
import sys
sys.path.insert(0, sys.argv[1])
from modelcompat_worker.bundle import Bundle
from modelcompat_worker.runtimes import adapter
bundle = Bundle.open(sys.argv[2])
made = adapter(sys.argv[3], sys.argv[3])
equal = 0
for i in range(len(bundle)):
    try:
        session = made.load(bundle.model(i), sys.argv[4], {"threads": "1"})
        session.assign()
        given = bundle.inputs(i)
        names = session.inputs() if any(isinstance(key, int) for key, _ in given) else ()
        feeds = {names[key] if isinstance(key, int) else key: value for key, value in given}
        outputs = session.run(feeds)
        session.placement()
        session.close()
    except Exception:
        continue
    expected = bundle.outputs(i)
    equal += [value for _, value in outputs] == [value for _, value in expected or ()]
print(equal)
"""


class Plain:
    """A kind of environment that is just an interpreter."""

    name = "plain"

    def prepare(self, spec, *, cache):
        """Nothing to prepare."""
        raise NotImplementedError

    def start(self, prepared, arguments, *, env, files, folder, limits=None):
        """Start it."""
        del files, limits
        return command.start([*prepared.python, *arguments], env=env, cwd=folder)

    def inside(self, file):
        """The same path."""
        return file


def environment(folder: Path) -> dict[str, str]:
    """One thread, and a private folder."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)} | dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
    )


def through_worker(options: argparse.Namespace, folder: Path, zipapp: Path) -> tuple[int, int]:
    """Run all cases through a worker; how many were equal, and how many died."""
    bundle = Bundle.open(options.bundle)
    equal = died = 0
    with cell.CellProcess(
        Plain(),
        SimpleNamespace(python=(options.python,)),
        order=cell.Order(
            runtime=options.runtime, distribution=options.runtime, provider=options.provider,
            threads=1, bundles=(options.bundle,), memory=4 << 30,
        ),
        folder=folder,
        env={**environment(folder), "MODELCOMPAT_CODE": str(zipapp.with_suffix(""))},
        worker=zipapp,
    ) as process:  # fmt: skip
        process.submit([cell.CaseOrder(n=n, bundle=0, index=n) for n in range(len(bundle))])
        process.finish()
        for event in process.events():
            if isinstance(event, cell.Result) and event.outputs:
                values = [value for _, value in event.outputs[0]]
                equal += values == [value for _, value in bundle.outputs(event.n) or ()]
            died += isinstance(event, cell.Ended)
    return equal, died


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True)
    parser.add_argument("--bundle", required=True, type=Path)
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--provider", default="CPUExecutionProvider")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    options.bundle = options.bundle.resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        zipapp = worker_file(folder)
        bare = [options.python, "-I", "-c", BARE, str(zipapp), str(options.bundle)]
        bare += [options.runtime, options.provider]
        times: dict[str, list[float]] = {"bare": [], "worker": []}
        for _ in range(options.rounds):
            began = time.perf_counter()
            told = subprocess.run(
                bare, env=environment(folder), capture_output=True, text=True, check=True
            )
            times["bare"].append(time.perf_counter() - began)
            began = time.perf_counter()
            equal, died = through_worker(options, folder, zipapp)
            times["worker"].append(time.perf_counter() - began)
            print(
                f"bare {times['bare'][-1]:.3f} s ({told.stdout.strip()} equal), "
                f"worker {times['worker'][-1]:.3f} s ({equal} equal, {died} died)"
            )
            sys.stdout.flush()
    ratio = statistics.median(times["worker"]) / statistics.median(times["bare"])
    best = min(times["worker"]) / min(times["bare"])
    print(f"worker / bare: {ratio:.3f} (medians), {best:.3f} (best of each)")


if __name__ == "__main__":
    main()
