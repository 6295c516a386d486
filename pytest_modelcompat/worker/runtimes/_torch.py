"""What the two torch adapters share: devices, threads, tensors."""

from ..arrays import CARRIERS, from_array, to_array
from ..values import BITS, Value
from ._plain import value, version_of

__all__ = ["Torch", "name_of"]

_VIEWS = {
    "bfloat16": ("int16", "bfloat16"), "float8e4m3fn": ("uint8", "float8_e4m3fn"),
    "float8e5m2": ("uint8", "float8_e5m2"), "float8e4m3fnuz": ("uint8", "float8_e4m3fnuz"),
    "float8e5m2fnuz": ("uint8", "float8_e5m2fnuz"),
}  # fmt: skip
"""dtype of a Value -> (the torch type that holds its bits, the torch type that it is)."""
_BYTE = 8


class Torch:
    """The installed torch."""

    def __init__(self, distribution):
        import torch

        self.torch = torch
        self.distribution = distribution
        self._views = {
            ours: (getattr(torch, bits), getattr(torch, theirs))
            for ours, (bits, theirs) in _VIEWS.items()
            if hasattr(torch, theirs)
        }

    def info(self, runtime):
        """Version, build and devices."""
        torch = self.torch
        providers, devices = ["cpu"], ["CPU"]
        for kind in ("cuda", "xpu"):
            backend = getattr(torch, kind, None)
            if backend is not None and backend.is_available():
                providers += [
                    kind,
                    *("{}:{}".format(kind, n) for n in range(backend.device_count())),
                ]
                devices += [backend.get_device_name(n) for n in range(backend.device_count())]
        return {
            "runtime": runtime,
            "version": version_of(self.distribution, torch.__version__).partition("+")[0],
            "build": str(torch.__version__),
            "providers": providers,
            "devices": devices,
            "limits": {},
        }

    def unavailable(self, provider):
        """Put one number on the device; whatever torch then says is the reason."""
        try:
            self.torch.ones(1, device=provider)
        except Exception as error:
            return "{}: {}".format(type(error).__name__, error)
        return None

    def threads(self, options):
        """Set how many threads one operator may use; one for the process, as torch has it."""
        if "threads" in options:
            self.torch.set_num_threads(int(options["threads"]))

    @property
    def cpu_only(self):
        """Whether there is no other device in this process, so that nothing can leave the CPU."""
        torch = self.torch
        if torch.cuda.is_available():
            return False
        others = [getattr(torch, name, None) for name in ("xpu", "mps")]
        others.append(getattr(torch.backends, "mps", None))
        return not any(
            each.is_available()
            for each in others
            if each is not None and hasattr(each, "is_available")
        )

    def given(self, fed, device):
        """A Value as torch takes it: tensor, list, None or text.

        Raises:
            TypeError: a type that this release lacks.
        """
        torch = self.torch
        if fed.kind == "sequence":
            return [self.given(item, device) for item in fed.items]
        if fed.kind in ("optional", "none"):
            return self.given(fed.items[0], device) if fed.items else None
        if fed.kind == "map":
            keys = to_array(fed.items["keys"]).tolist()
            values = fed.items["values"]
            if isinstance(values, Value):
                raise TypeError("torch takes no map of numbers here")
            return dict(zip(keys, [self.given(item, device) for item in values]))
        if fed.dtype == "string":
            words = to_array(fed)
            return words.item() if words.shape == () else words.tolist()
        if fed.dtype in self._views:
            bits, theirs = self._views[fed.dtype]
            carrier = to_array(fed).copy().view(str(bits).partition(".")[2])
            return torch.from_numpy(carrier).view(theirs).to(device)
        if fed.dtype in CARRIERS:
            raise TypeError("torch {} has no {}".format(torch.__version__, fed.dtype))
        return torch.from_numpy(to_array(fed).copy()).to(device)

    def value(self, found):
        """What came out, as a Value with its own memory."""
        torch = self.torch
        if found is None:
            return Value.none()
        if isinstance(found, dict):
            import numpy

            keys = value(numpy.array(list(found)))  # one tensor of them
            return Value.mapping(keys, [self.value(item) for item in found.values()])
        if isinstance(found, (list, tuple)):
            return Value.sequence([self.value(item) for item in found])
        if not isinstance(found, torch.Tensor):
            return value(found)
        found = found.detach().to("cpu")
        if found.is_quantized:
            found = found.int_repr()
        if hasattr(found, "resolve_conj"):
            found = found.resolve_conj().resolve_neg()
        for ours, (bits, theirs) in self._views.items():
            if found.dtype == theirs:
                made = from_array(found.contiguous().view(bits).numpy().copy())
                made.dtype = ours
                return made
        return value(found.numpy())

    def named(self, found):
        """The outputs of a call: a tuple has several by position, a dictionary by key."""
        if isinstance(found, dict) and all(isinstance(key, str) for key in found):
            return [(key, self.value(item)) for key, item in found.items()]
        if not isinstance(found, tuple):
            found = (found,)
        return [("output_{}".format(n), self.value(item)) for n, item in enumerate(found)]


def name_of(dtype):
    """A torch type by our name: `torch.bfloat16` -> bfloat16."""
    name = str(dtype).partition(".")[2]
    for ours, (_, theirs) in _VIEWS.items():
        if name == theirs:
            return ours
    name = {"half": "float16"}.get(name, name)
    return name if name in BITS else str(dtype)
