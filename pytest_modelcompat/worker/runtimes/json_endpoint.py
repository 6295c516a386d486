"""A model behind an endpoint of plain JSON: named tensors in, tensors out.

An app of FastAPI or Flask, a service of BentoML, a handler behind Hugging Face's endpoints (whose
one input is named `inputs`). The option `path` says where it is, `inputs` and `outputs` declare
what goes in and comes out (`NAME:DTYPE`): an endpoint tells neither. The answer is one tensor, or
an object that has the declared ones. What says labels and scores instead of tensors is not read.

Such an endpoint does not tell who answers. So the option `server` must be `any`: whoever does.
"""

import re

from ._served import ServedAdapter
from ._served_http import Door
from ._served_rows import Session, declared_by

__all__ = ["Adapter"]

_PATH = re.compile(r"/[\w./~-]*\Z", re.ASCII)


class Adapter(ServedAdapter):
    """See the seam's text in `runtimes/__init__.py`."""

    runtime = "json_endpoint"
    own_options = (("path", None), ("ready", None), ("inputs", None), ("outputs", None))

    def check(self, options):
        """ValueError for an option that is none."""
        super().check(options)
        for name in ("model", "model_version"):
            if name in options:
                raise ValueError("json_endpoint has no option {!r}: the path says it".format(name))
        if options.get("server") != "any":
            words = "json_endpoint needs the option server: any; it does not tell who answers"
            raise ValueError(words)
        for name in ("path", "outputs"):
            if name not in options:
                raise ValueError("json_endpoint needs the option {}".format(name))
        for name in ("path", "ready"):
            if name in options and not _PATH.match(options[name]):
                words = "{} is a plain path that begins with a slash, without query: /predict"
                raise ValueError(words.format(name))
        for side in ("inputs", "outputs"):
            declared_by(side, options)

    def met(self, door, options):
        """That somebody is there; with the option `ready`, that a path says so."""
        if "ready" in options:
            door.ready(options["ready"])
        else:
            door.knock()
        return {"path": options["path"]}

    def another(self, found, options):
        """None: whoever answers."""

    def load(self, model, provider, options):
        """Nothing is asked before there are data."""
        self.check(options)
        path = options["path"]
        inputs, outputs = (declared_by(side, options) for side in ("inputs", "outputs"))
        door = Door(options["url"])
        return Session(door, path, path, inputs=inputs, outputs=outputs, layout="fields")
