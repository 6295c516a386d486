"""A model that TorchServe serves, through its predictions API.

What a model takes there is its handler's business. This speaks the JSON of TorchServe's envelope
`json` (`service_envelope=json` in its configuration): `instances` in rows, answered by
`predictions`; with the base handler that is a tensor in, a tensor out. Neither types nor names are
told, so the options `outputs` and, where data has positions, `inputs` declare them (`NAME:DTYPE`).

Who answers is told by the description of the API: TorchServe, in the release of the cell.
"""

from ._served import ServedAdapter
from ._served_http import Door, ServerError
from ._served_rows import Session, declared_by

__all__ = ["Adapter"]

_TITLE = "TorchServe APIs"


class Adapter(ServedAdapter):
    """See the seam's text in `runtimes/__init__.py`."""

    runtime = "torchserve"
    own_options = (("inputs", None), ("outputs", None))

    def check(self, options):
        """ValueError for an option that is none."""
        super().check(options)
        if "outputs" not in options:
            raise ValueError("torchserve needs the option outputs: NAME:DTYPE of what it answers")
        for side in ("inputs", "outputs"):
            declared_by(side, options)

    def met(self, door, options):
        """Its release, its word on its health, and whether it has the model."""
        told = door.get("/", "OPTIONS").get("info")
        if not isinstance(told, dict):
            raise ServerError("OPTIONS /: no description of an API")
        title = str(told.get("title"))
        found = {
            "name": "torchserve" if title == _TITLE else title,
            "version": str(told.get("version", "")),
            "health": door.get("/ping").get("status"),
        }
        if "model" in options:
            _there(door, _path(options["model"], options))
            found["model"] = {"name": options["model"], "version": options.get("model_version")}
        return found

    def load(self, model, provider, options):
        """Ask whether the model is there."""
        self.check(options)
        door = Door(options["url"])
        name = self.name_of(model, options)
        path = _path(name, options)
        _there(door, path)
        inputs, outputs = (declared_by(side, options) for side in ("inputs", "outputs"))
        return Session(door, path, name, inputs=inputs, outputs=outputs, layout="rows")


def _path(name, options):
    version = options.get("model_version")
    return "/predictions/{}{}".format(name, "/" + version if version else "")


def _there(door, path):
    """Nothing, where the server describes the model."""
    door.get(path, "OPTIONS")
