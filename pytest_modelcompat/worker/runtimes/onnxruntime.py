"""ONNX Runtime: the distributions onnxruntime, -gpu, -openvino, … and plug-in providers.

Options beside `graph_optimization`: `threads` (within a node), `inter_threads`,
`execution_mode` (sequential, parallel), `log_severity` (0 to 4), `provider.KEY` (an option of the
provider), any other key with a dot (a session config entry, word for word), `provider_library`
(path of a plug-in provider's library, or the module that knows it), `register` (the name to
register it by; default: the provider's), `device` (which of its devices) and `mobile` (a list for
phones that models have to keep to, see `_ort_mobile.py`).
"""

import importlib
import os

from . import _ort_mobile, _ort_probe
from ._ort_options import provider_options, session_options
from ._ort_placement import RECORD, Profile
from ._ort_session import CPU, Session

__all__ = ["Adapter"]


class Adapter:
    """See the seam's text in `runtimes/__init__.py`."""

    def __init__(self, distribution, module=None):
        self.distribution = distribution
        self.ort = importlib.import_module(module or "onnxruntime")
        self.recordable = hasattr(self.ort.InferenceSession, "get_provider_graph_assignment_info")
        self._libraries = {}
        self._kept = (None, None)
        self._session_class = _without_fallback(self.ort.InferenceSession)

    def info(self):
        """Version, providers, devices and limits, as the installed build tells them."""
        ort = self.ort
        devices, providers = [ort.get_device()], list(ort.get_available_providers())
        for item in ort.get_ep_devices() if hasattr(ort, "get_ep_devices") else ():
            devices.append("{}: {}".format(item.ep_name, item.device.type.name))
            if item.ep_name not in providers:
                providers.append(item.ep_name)  # of a plug-in that was registered
        silent = ort.SessionOptions()
        silent.log_severity_level = 4
        return {
            "runtime": "onnxruntime",
            "version": ort.__version__,
            "providers": providers,
            "devices": devices,
            "limits": _ort_probe.limits(
                lambda model: self._session_class(model, silent, providers=[CPU])
            ),
            "optimizer_off": {"graph_optimization": "disabled"},
        }

    def check(self, options):
        """Whether these are options; before any model is blamed for them."""
        session_options(self.ort, options)

    def unavailable(self, provider, options):
        """Try the provider with one node; whatever the runtime then says is the reason."""
        listed = (options or {}).get("mobile")
        reason = listed and _ort_mobile.missing(self.ort, listed)
        if reason or provider == CPU:
            return reason or None
        told = dict(options or {})
        told.setdefault("log_severity", "2")
        with _ort_probe.spoken() as words:
            try:
                self.create(_ort_probe.relu(), provider, told)
            except Exception as error:
                last = "{}: {}".format(type(error).__name__, error)
            else:
                return None
        return "\n".join([*words, last])

    def load(self, model, provider, options):
        """A session with the provider alone, so that whatever it leaves goes to the CPU."""
        options = options or {}
        if isinstance(model, memoryview):
            model = bytes(model)
        if "mobile" in options:
            _ort_mobile.check(model, options["mobile"])
        profile = None
        if provider != CPU and not self.recordable:
            profile = self.profile(provider, options)
        try:
            session = self.create(model, provider, options, profile)
        except BaseException:
            if profile:
                profile.close()
            raise
        return Session(self, session, model, provider, options, profile)

    def profile(self, provider, options):
        """A `Profile` with options of its own; None where there is no folder to write to."""
        try:
            return Profile(self._options(provider, options))
        except OSError:
            return None

    def create(self, model, provider, options, profile=None):
        """The runtime's own session."""
        if profile is not None:
            told = profile.options
        else:
            # Nearly all cases of a cell share them.
            key = (provider, tuple(sorted(options.items())))
            if self._kept[0] != key:
                self._kept = (key, self._options(provider, options))
            told = self._kept[1]
        if provider in self._libraries:
            session = self._session_class(model, told)
        else:
            own = provider_options(options)
            session = self._session_class(
                model, told, providers=[(provider, own) if own else provider]
            )
        if provider not in session.get_providers():
            # A library that does not load is only logged, and the CPU provider takes everything.
            raise RuntimeError(
                "{} was asked for, the session has {}".format(provider, session.get_providers())
            )
        return session

    def _options(self, provider, options):
        found = session_options(self.ort, options)
        if "provider_library" in options:
            self._register(provider, options)
            devices = self._devices(provider, options.get("device"))
            if not devices:
                raise RuntimeError(
                    "no device of {} among {}".format(
                        provider, [item.ep_name for item in self.ort.get_ep_devices()]
                    )
                )
            found.add_provider_for_devices(devices, provider_options(options))
        if provider != CPU and self.recordable:
            found.add_session_config_entry(RECORD, "1")
        return found

    def _devices(self, provider, wanted):
        """The devices of a plug-in provider; `wanted` is a kind (CPU, GPU, NPU) or its own name."""
        return [
            item
            for item in self.ort.get_ep_devices()
            if item.ep_name == provider
            and (not wanted or wanted in (item.device.type.name, *item.ep_metadata.values()))
        ]

    def _register(self, provider, options):
        """Make a plug-in provider known; it does nothing until its library is registered."""
        if provider in self._libraries:
            return
        path = options["provider_library"]
        if os.sep not in path:
            path = importlib.import_module(path).get_library_path()
        self.ort.register_execution_provider_library(options.get("register", provider), path)
        self._libraries[provider] = path


def _without_fallback(base):
    """A session that never falls back by itself: the failure is the answer.

    Python's wrapper would print the error and go on with the CPU provider, when it is created and
    again in `run`. It keeps its own switch in an attribute that it also sets itself.
    """

    def ignored(session, value):
        del session, value

    return type("Session", (base,), {"_enable_fallback": property(lambda _: False, ignored)})
