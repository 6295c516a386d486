"""The few calls of the CUDA runtime that moving bytes to a device and back takes, by ctypes."""

import ctypes
import glob
import os
import sys

__all__ = ["Cuda"]

_NAMES = ("libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0", "libcudart.so")
_TO_DEVICE, _TO_HOST = 1, 2


class Cuda:
    """libcudart, the system's or that of one of the vendor's wheels.

    Raises:
        OSError: there is none, in the loader's words.
    """

    def __init__(self):
        self._library = _load()
        self._library.cudaGetErrorString.restype = ctypes.c_char_p

    def _call(self, name, *arguments):
        code = getattr(self._library, name)(*arguments)
        if code:
            words = self._library.cudaGetErrorString(code).decode()
            raise RuntimeError("{} = {}: {}".format(name, code, words))

    def devices(self):
        """How many there are.

        Raises:
            RuntimeError: the driver's words.
        """
        count = ctypes.c_int()
        self._call("cudaGetDeviceCount", ctypes.byref(count))
        return count.value

    def choose(self, number):
        """Make a device the current one."""
        self._call("cudaSetDevice", number)

    def allocate(self, size):
        """The address of `size` bytes on the device."""
        address = ctypes.c_void_p()
        self._call("cudaMalloc", ctypes.byref(address), ctypes.c_size_t(max(1, size)))
        return address.value

    def free(self, address):
        """Give them back."""
        self._call("cudaFree", ctypes.c_void_p(address))

    def send(self, address, array):
        """Copy a contiguous array to the device."""
        self._copy(address, array.ctypes.data, array.nbytes, _TO_DEVICE)

    def fetch(self, array, address):
        """Fill a contiguous array from the device."""
        self._copy(array.ctypes.data, address, array.nbytes, _TO_HOST)

    def _copy(self, to, source, size, kind):
        if size:
            self._call(
                "cudaMemcpy", ctypes.c_void_p(to), ctypes.c_void_p(source), ctypes.c_size_t(size),
                kind,
            )  # fmt: skip

    def wait(self):
        """Until the device is done."""
        self._call("cudaDeviceSynchronize")


def _load():
    places = [""]
    for folder in sys.path:
        places += glob.glob(os.path.join(folder, "nvidia", "cu*", "lib"))
        places += glob.glob(os.path.join(folder, "nvidia", "cuda_runtime", "lib"))
    problem = OSError("no libcudart")
    for place in places:
        for name in _NAMES:
            try:
                return ctypes.CDLL(os.path.join(place, name))
            except OSError as error:  # noqa: PERF203 - a handful of names
                problem = error
    raise problem
