"""One file with many cases: their inputs, expected outputs and, for a corpus, their models.

Written once on the host (or by the collector in a cell), opened by mmap everywhere: a corpus of
1,800 cases is open in 10 ms and needs no onnx. Layout: a head of fixed size, the raw bytes, and at
the end a JSON header with `meta` and `cases`, so that cases can be written while they come.

A case is a dictionary:

    name, unit           as in the plan
    model                {"o": offset, "n": length} | {"file": name in the cell's folder}
    inputs               [{"name": text} or {"position": int}, each with a value's descriptor]
    outputs              the same, or None: nothing is expected
    digest               sha256 of model, inputs and outputs, for finding equal cases
    rtol, atol           of the suite, where it has any
    opset, op, ir, imports    what the case is about
    random               {"seed", "dims", "n"}: inputs are made in the child
    calls                how the data set is given in several calls (`calls.py`)
    labels               the right class of each row, whole numbers, where somebody said
"""

import json
import mmap
import os
import struct

from .values import Blobs, describe, encode, parse, piece, restore

__all__ = ["Bundle", "case_digest", "write"]

_MAGIC = b"MCBUNDLE"
_VERSION = 1
_HEAD = struct.Struct("<8sIIQQ32s")  # magic, version, reserved, header's offset, length, digest
_ALIGN = 64


class Bundle:
    """An open bundle; `len(bundle)` cases.

    Attributes:
        digest: sha256 of the content, hex; as written, `verify` checks it.
        meta: what the writer said about the whole.
    """

    def __init__(self, data):
        self._data = memoryview(data)
        if len(self._data) < _HEAD.size:
            raise ValueError("too short for a bundle: {} bytes".format(len(self._data)))
        magic, version, _, offset, length, digest = _HEAD.unpack_from(self._data)
        if magic != _MAGIC or version != _VERSION:
            raise ValueError("not a bundle of version {}".format(_VERSION))
        if offset + length != len(self._data):
            raise ValueError("the bundle is truncated")
        header = parse(piece(self._data, offset, length))
        if not (
            isinstance(header, dict)
            and isinstance(header.get("meta"), dict)
            and isinstance(header.get("cases"), list)
            and all(isinstance(case, dict) for case in header["cases"])
        ):
            raise ValueError("the bundle's header is not one")
        self.digest = digest.hex()
        self.meta = header["meta"]
        self._cases = header["cases"]

    @classmethod
    def open(cls, path):
        """Open a bundle file.

        Raises:
            OSError: it cannot be read.
            ValueError: it is not a bundle, or truncated.
        """
        with open(path, "rb") as file:
            return cls(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def verify(self):
        """Whether the content is what was written."""
        import hashlib  # noqa: PLC0415 - readers in a cell do without

        return hashlib.sha256(self._data[_HEAD.size :]).hexdigest() == self.digest

    def __len__(self):
        return len(self._cases)

    def case(self, i):
        """The description of case i; the caller leaves it as it is."""
        return self._cases[i]

    def model(self, i):
        """The model of case i as bytes; ValueError where it is a file of its own."""
        place = self._cases[i].get("model")
        if not isinstance(place, dict) or "o" not in place:
            raise ValueError("case {} has no model in the bundle".format(i))
        return bytes(piece(self._data, place["o"], place.get("n")))

    def inputs(self, i):
        """[(name or position, Value)] of case i, views into the file."""
        return self._named(self._cases[i].get("inputs") or [])

    def outputs(self, i):
        """[(name or position, Value)] that case i expects, or None."""
        found = self._cases[i].get("outputs")
        return None if found is None else self._named(found)

    def _named(self, descriptors):
        found = []
        for descriptor in descriptors:
            key = descriptor.get("name", descriptor.get("position"))
            if type(key) not in (str, int):
                raise ValueError("a value without name and position")
            found.append((key, restore(descriptor, self._data)))
        return found


def case_digest(model, inputs, outputs):
    """The digest by which equal cases are found: sha256 hex of model, inputs, outputs.

    Args:
        model: bytes, or {"file": name}.
        inputs: [(name or position, Value)].
        outputs: the same, or None.
    """
    import hashlib  # noqa: PLC0415 - readers in a cell do without

    whole = hashlib.sha256()
    parts = (
        json.dumps(model, sort_keys=True).encode("ascii") if isinstance(model, dict) else model,
        encode(inputs),
        b"" if outputs is None else encode(outputs),
    )
    for part in parts:
        whole.update(struct.pack("<Q", len(part)))
        whole.update(part)
    return whole.hexdigest()


def write(path, meta, cases):
    """Write a bundle atomically.

    Args:
        path: of the file; its folder exists.
        meta: dictionary for `Bundle.meta`.
        cases: iterable of dictionaries as in the module's text, but with `model` as bytes or
            {"file": name}, and `inputs` and `outputs` as [(name or position, Value)]. `digest` is
            filled in where it is absent.

    Returns:
        The bundle's digest.
    """
    import tempfile  # noqa: PLC0415 - readers in a cell do without

    path = os.fspath(path)
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path) or ".", prefix=".bundle-")
    try:
        with os.fdopen(handle, "wb") as file:
            digest = _write(file, meta, cases)
            file.flush()
            os.fchmod(file.fileno(), 0o644)  # read by other users in containers
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return digest


def _write(file, meta, cases):
    import hashlib  # noqa: PLC0415 - readers in a cell do without

    whole = hashlib.sha256()

    def put(data):
        whole.update(data)
        file.write(data)

    file.write(bytes(_HEAD.size))
    size, described = _HEAD.size, []
    for case in cases:
        blobs = Blobs(_ALIGN, size)
        described.append(_describe_case(case, blobs))
        for blob in blobs:
            put(blob)
        size = blobs.size
    header = json.dumps(
        {"meta": meta, "cases": described}, sort_keys=True, separators=(",", ":")
    ).encode("ascii")
    put(header)
    file.seek(0)
    file.write(_HEAD.pack(_MAGIC, _VERSION, 0, size, len(header), whole.digest()))
    return whole.hexdigest()


def _describe_case(case, blobs):
    found = dict(case)
    model, inputs, outputs = case["model"], case.get("inputs") or [], case.get("outputs")
    if "digest" not in found:
        found["digest"] = case_digest(model, inputs, outputs)
    if not isinstance(model, dict):
        offset, length = blobs.add(model)
        found["model"] = {"o": offset, "n": length}
    found["inputs"] = [_describe_named(key, value, blobs) for key, value in inputs]
    found["outputs"] = (
        None if outputs is None else [_describe_named(key, value, blobs) for key, value in outputs]
    )
    return found


def _describe_named(key, value, blobs):
    found = describe(value, blobs)
    found["position" if isinstance(key, int) else "name"] = key
    return found
