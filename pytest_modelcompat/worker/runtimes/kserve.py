"""A model that a server serves over HTTP, by the Open Inference Protocol v2 (KServe's).

Triton, OpenVINO Model Server, MLServer and whatever else speaks it. The server is not started
here: the option `url` says where it is, `model` which of its models is meant (else the name of the
file, without what follows the first point), `model_version` which version of that. The file itself
is not sent; the case's data is, and the answers are held against its reference like any others.

The server must be the one that is asked for: by its own metadata it is the distribution of the
cell, in the version that the cell has, or what the option `server` names (`NAME` or
`NAME==VERSION`). Provider: `served`, wherever the server runs it; it gives no evidence of that.
"""

from ._kserve_tensors import DATATYPES, from_json, to_json
from ._plain import written_off
from ._served import ServedAdapter
from ._served_http import Door, ServerError

__all__ = ["Adapter"]


class Adapter(ServedAdapter):
    """See the seam's text in `runtimes/__init__.py`."""

    runtime = "kserve"

    def met(self, door, options):
        """Name and version of the server, its extensions, and its word on the model."""
        door.ready("/v2/health/ready")
        told = door.get("/v2")
        found = {"name": str(told.get("name")), "version": str(told.get("version", ""))}
        found["extensions"] = told.get("extensions")
        if "model" in options:
            model = door.get(_place(options["model"], options))
            kept = ("name", "versions", "platform", "inputs", "outputs")
            found["model"] = {name: model.get(name) for name in kept}
        return found

    def load(self, model, provider, options):
        """Ask whether the model is ready, and what it takes and gives."""
        self.check(options)
        door = Door(options["url"])
        name = self.name_of(model, options)
        place = _place(name, options)
        door.ready(place + "/ready")
        return Session(door, name, place, door.get(place), options.get("model_version"))


def _place(name, options):
    version = options.get("model_version")
    return "/v2/models/{}{}".format(name, "/versions/" + version if version else "")


class Session:
    """One model of a server."""

    def __init__(self, door, name, place, metadata, version=None):
        self._door = door
        self._version = version
        self._name = name
        self._place = place
        if metadata.get("name") != name:
            raise ServerError(
                "asked for model {!r}, told of {!r}".format(name, metadata.get("name"))
            )
        self._inputs = _declared(metadata, "inputs")
        self._outputs = _declared(metadata, "outputs")

    def assign(self):
        """The server has done it."""

    def inputs(self):
        """Names of the inputs, in the order of the metadata."""
        return list(self._inputs)

    def signature(self):
        """[(name, dtype, shape)]; a server need not tell."""
        if not self._inputs:
            raise ValueError("the server does not tell the inputs of {!r}".format(self._name))
        return [
            (name, DATATYPES.get(datatype, datatype), tuple("" if d < 0 else d for d in shape))
            for name, (datatype, shape) in self._inputs.items()
        ]

    def run(self, feeds):
        """Send the inputs; every output that the metadata names must come back."""
        written_off(self._inputs, feeds)
        names = list(self._inputs) or list(feeds)
        sent = [to_json(name, feeds[name]) for name in names]
        for each in sent:
            _agree(self._inputs.get(each["name"]), each)
        told = self._door.post(self._place + "/infer", {"inputs": sent})
        if told.get("model_name") != self._name:
            raise ServerError(
                "asked model {!r}, answered by {!r}".format(self._name, told.get("model_name"))
            )
        if self._version and told.get("model_version", self._version) != self._version:
            raise ServerError(
                "asked version {!r}, answered by {!r}".format(self._version, told["model_version"])
            )
        if not isinstance(told.get("outputs"), list):
            raise ServerError("an answer without outputs: {}".format(repr(told)[:200]))
        # Of another type or shape than was declared is a wrong answer, and judged as one.
        found = [from_json(each) for each in told["outputs"]]
        given = [name for name, _ in found]
        missing = [name for name in self._outputs if name not in given]
        if missing:
            raise ServerError("outputs without a value: {}".format(", ".join(missing)))
        if len(set(given)) != len(given):
            raise ServerError("an output twice: {}".format(", ".join(given)))
        # in the order of the metadata: servers answer in any
        order = {name: n for n, name in enumerate(self._outputs)}
        return sorted(found, key=lambda pair: order.get(pair[0], len(order)))

    def placement(self):
        """None: the protocol does not tell where a model runs."""

    def opset(self):
        """The protocol does not tell."""
        return 0

    def close(self):
        """Nothing is held."""


def _declared(metadata, side):
    """Name -> (datatype, shape) of the inputs or outputs; empty where the server names none."""
    found = {}
    for each in metadata.get(side) or ():
        fine = isinstance(each, dict) and isinstance(each.get("name"), str)
        shape = each.get("shape") if fine else None
        if not isinstance(shape, list) or not all(type(dim) is int for dim in shape):
            raise ServerError("metadata with {} {}".format(side, repr(each)[:200]))
        found[each["name"]] = (each.get("datatype"), shape)
    return found


def _agree(declared, tensor):
    """What is sent is of the type and shape that the metadata declares.

    Raises:
        ValueError: it is not. Servers reinterpret what they get, and some say nothing.
    """
    if declared is None:
        return
    datatype, shape = declared
    if datatype != tensor["datatype"]:
        words = "input {!r} is declared {}, and is {}"
        raise ValueError(words.format(tensor["name"], datatype, tensor["datatype"]))
    fits = len(shape) == len(tensor["shape"]) and all(
        dim < 0 or dim == given for dim, given in zip(shape, tensor["shape"])
    )
    if not fits:
        words = "input {!r} is declared of shape {}, and is of {}"
        raise ValueError(words.format(tensor["name"], shape, tensor["shape"]))
