"""The type that a graph declares for an input or output, read from its text."""

from functools import lru_cache

from ..arrays import CARRIERS

__all__ = ["Declared", "declared"]

_DTYPES = {"float": "float32", "double": "float64"}  # as ONNX Runtime calls them


def _dtype(name):
    return _DTYPES.get(name, name)


@lru_cache(maxsize=1024)
def declared(words):
    """The `Declared` of a type's text; a corpus has few different ones."""
    return Declared(words)


class Declared:
    """A type as the graph declares it: `kind`, and `dtype` or `inner` (and `key` of a map)."""

    __slots__ = ("dtype", "inner", "key", "kind", "needs_ort_value")

    def __init__(self, words):
        self.dtype = self.inner = self.key = None
        head, _, body = words.partition("(")
        body = body[:-1]
        self.kind = {"seq": "sequence"}.get(head, head)
        if self.kind == "tensor":
            self.dtype = _dtype(body)
        elif self.kind in ("sequence", "optional"):
            self.inner = Declared(body)
        elif self.kind == "map":
            key, _, body = body.partition(",")
            self.key = _dtype(key)
            self.inner = Declared(body)
        # Plain `run` of ONNX Runtime cannot carry it.
        self.needs_ort_value = self.kind == "tensor" and self.dtype in CARRIERS
