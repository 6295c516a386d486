"""An adapter whose models are Python: what a test wants to happen in a cell is written there.

A model is JSON, {"load": source, "assign": source, "run": source, "close": source}; `run` has
`feeds`, sets `out` (name -> Value or list of pairs), and may look at `call`, the number of the run.
Lives in the child; standard library only.
"""

import json
import os
import sys
from pathlib import Path

from modelcompat_worker import values
from modelcompat_worker.values import Value

if os.environ.get("PLAYGROUND_IMPORT"):
    exec(os.environ["PLAYGROUND_IMPORT"])


class Adapter:
    def __init__(self, distribution, module=None):
        self.distribution, self.module = distribution, module
        exec(os.environ.get("PLAYGROUND_MAKE", ""))

    def info(self):
        return {"runtime": "playground", "version": "1", "providers": ["cpu"], "devices": []}

    def unavailable(self, provider, options):
        return None if provider in ("cpu", "other") else "no provider " + provider

    def load(self, model, provider, options):
        if isinstance(model, str):
            model = Path(model).read_bytes().lstrip(b"\x80")  # which makes it no ONNX
        return Session(json.loads(model), provider, options)


class Session:
    def __init__(self, model, provider, options):
        self.model, self.provider, self.options = model, provider, options
        self.call = 0
        self._do("load")

    def _do(self, stage, **more):
        names = {"Value": Value, "values": values, "os": os, "sys": sys, "session": self, **more}
        exec(self.model.get(stage, ""), names)
        return names

    def assign(self):
        self._do("assign")

    def inputs(self):
        return self.model.get("inputs", ["x"])

    def signature(self):
        return [tuple(item) for item in self.model["signature"]]

    def run(self, feeds):
        names = self._do("run", feeds=feeds, call=self.call, out=[])
        self.call += 1
        out = names["out"]
        return list(out.items()) if isinstance(out, dict) else out

    def placement(self):
        return {self.provider: 1}

    def close(self):
        self._do("close")
