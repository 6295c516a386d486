"""A model that a server serves by TensorFlow Serving's REST, which is KServe's protocol v1.

The options are those of `kserve`, and more: `signature` names one of the model's signatures, and
`format` is `columns` (TensorFlow Serving's own) or `rows` (what KServe's protocol v1 has). JSON of
this protocol carries no types: they come from the signature in the model's metadata, and where a
server has no metadata from the options `outputs` and, where data has positions, `inputs`
(`NAME:DTYPE`).

The protocol has no word for who answers. So the option `server` must be `any`: whoever does.
"""

from ._served import ServedAdapter
from ._served_http import Door, ServerError
from ._served_rows import FORMATS, Session, declared_by

__all__ = ["Adapter"]

_DTYPES = {
    "DT_BOOL": "bool", "DT_INT8": "int8", "DT_INT16": "int16", "DT_INT32": "int32",
    "DT_INT64": "int64", "DT_UINT8": "uint8", "DT_UINT16": "uint16", "DT_UINT32": "uint32",
    "DT_UINT64": "uint64", "DT_HALF": "float16", "DT_FLOAT": "float32", "DT_DOUBLE": "float64",
    "DT_STRING": "string",
}  # fmt: skip
_DEFAULT = "serving_default"
_NO_NAME = "Missing model name in request"  # what TensorFlow Serving says to /v1/models


class Adapter(ServedAdapter):
    """See the seam's text in `runtimes/__init__.py`."""

    runtime = "tf_serving"
    own_options = (("format", FORMATS), ("signature", None), ("inputs", None), ("outputs", None))

    def check(self, options):
        """ValueError for an option that is none."""
        super().check(options)
        if options.get("server") != "any":
            words = (
                "tf_serving needs the option server: any; its protocol does not tell who answers"
            )
            raise ValueError(words)
        version = options.get("model_version")
        if version is not None and not (version.isascii() and version.isdigit()):
            raise ValueError("model_version is a number, not {!r}".format(version))
        for side in ("inputs", "outputs"):
            declared_by(side, options)
        if "inputs" in options and "outputs" not in options:
            raise ValueError("inputs goes with outputs: both are for a server without metadata")

    def met(self, door, options):
        """What it says of the model that the options name; of itself it says nothing."""
        if "model" in options:
            return {"model": _described(door, options["model"], options)}
        try:
            door.get("/v1/models")
        except ServerError as refusal:
            if _NO_NAME not in str(refusal):
                raise
        return {}

    def another(self, found, options):
        """None: whoever answers."""

    def load(self, model, provider, options):
        """Ask whether a version of the model is there, and what it takes and gives."""
        self.check(options)
        door = Door(options["url"])
        name = self.name_of(model, options)
        found = _described(door, name, options)
        # the version that was described, also where another one comes in between
        place = _place(name, found.get("version"))
        inputs, outputs = (
            found[side] if side in found else declared_by(side, options)
            for side in ("inputs", "outputs")
        )  # fmt: skip
        more = {"signature_name": options["signature"]} if "signature" in options else {}
        layout = options.get("format", "columns")
        path = place + ":predict"
        return Session(door, path, name, inputs=inputs, outputs=outputs, layout=layout, more=more)


def _place(name, version):
    return "/v1/models/{}{}".format(name, "/versions/{}".format(version) if version else "")


def _described(door, name, options):
    """Name, version and signature of a model that is ready.

    Raises:
        ServerError: it is not, or there is none.
    """
    place = _place(name, options.get("model_version"))
    _ready(place, door.get(place), options.get("model_version"))
    if "outputs" in options:  # of a server without metadata
        return {"name": name, "version": options.get("model_version")}
    told = door.get(place + "/metadata")
    spec = _of(told, "model_spec")
    version = spec.get("version")
    if spec.get("name") != name or options.get("model_version", version) != version:
        asked = " ".join(filter(None, (name, options.get("model_version"))))
        raise ServerError("asked for model {!r}, told of {}".format(asked, repr(spec)[:200]))
    signatures = _of(told, "metadata", "signature_def", "signature_def")
    wanted = options.get("signature", _DEFAULT)
    if wanted not in signatures:
        raise ServerError(
            "{!r} has no signature {!r}, but {}".format(name, wanted, ", ".join(sorted(signatures)))
        )
    found = {side: _tensors(_of(signatures, wanted), side) for side in ("inputs", "outputs")}
    if not found["outputs"]:
        raise ServerError("signature {!r} of {!r} has no outputs".format(wanted, name))
    return {"name": name, "version": version, "signature": wanted, **found}


def _ready(place, told, version):
    """Nothing, where a version is available: TensorFlow Serving's word for it, or KServe's."""
    states = told.get("model_version_status")
    if isinstance(states, list):
        found = {each.get("version"): each for each in states if isinstance(each, dict)}
        asked = found if version is None else {v: each for v, each in found.items() if v == version}
        if any(each.get("state") == "AVAILABLE" for each in asked.values()):
            return
        words = [
            "{} is {} {}".format(v, each.get("state"), _said(each)).strip()
            for v, each in asked.items()
        ]
        raise ServerError("{}: no version is AVAILABLE: {}".format(place, "; ".join(words)))
    if str(told.get("ready")).lower() != "true":
        raise ServerError("{} is not ready: {}".format(place, repr(told)[:200]))


def _said(state):
    status = state.get("status")
    return str(status.get("error_message", "")) if isinstance(status, dict) else ""


def _of(told, *names):
    """What lies under names in names."""
    for name in names:
        told = told.get(name) if isinstance(told, dict) else None
    if not isinstance(told, dict):
        raise ServerError("metadata without {}".format(".".join(names)))
    return told


def _tensors(signature, side):
    """Name -> (dtype, shape) in the order of the names, as TensorFlow's own loader gives them."""
    found = {}
    for name, told in sorted(_of(signature, side).items()):
        dtype = told.get("dtype") if isinstance(told, dict) else None
        shape = _of(told, "tensor_shape") if isinstance(told, dict) else {}
        if not isinstance(dtype, str):
            raise ServerError("metadata with {} {}: {}".format(side, name, repr(told)[:200]))
        found[name] = (_DTYPES.get(dtype, dtype), _dims(name, shape))
    return found


def _dims(name, shape):
    """The dimensions, None for an open one; None where the rank is open. Sizes come as text."""
    if shape.get("unknown_rank"):
        return None
    try:
        sizes = [int(dim["size"]) for dim in shape.get("dim", ())]
    except (KeyError, TypeError, ValueError):
        raise ServerError("metadata with shape {} of {!r}".format(shape, name)) from None
    return [None if size < 0 else size for size in sizes]
