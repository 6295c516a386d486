"""Which provider ran each node of an ONNX Runtime session, by the best evidence it has.

`get_available_providers()` and `get_providers()` are none, but for one case: where only the CPU
provider was asked for, nothing else can have run. From 1.24 the session records its assignment
(cheap); before, the profiler tells (dear, so only for other providers). An empty recording means
unknown: nodes were seen to run although it was empty. Then a second session is profiled.
"""

import json
import os
import shutil
import tempfile

__all__ = ["RECORD", "Profile", "recorded"]

RECORD = "session.record_ep_graph_assignment_info"


def recorded(session):
    """{provider: nodes} from the recorded assignment, {} where it is empty."""
    found = {}
    for part in session.get_provider_graph_assignment_info():
        found[part.ep_name] = found.get(part.ep_name, 0) + len(part.get_nodes())
    return found


class Profile:
    """The profiler of one session: switched on in its options, read once after it ran.

    Attributes:
        options: the session options that it was made with, for that one session.
    """

    def __init__(self, options):
        self._folder = tempfile.mkdtemp(prefix="modelcompat-")
        self.options = options
        self._found = None
        options.enable_profiling = True
        options.profile_file_prefix = os.path.join(self._folder, "profile")

    def read(self, session):
        """{provider: nodes} of what ran; {} where no node was left to run."""
        if self._found is None:
            self._found = self._read(session.end_profiling())
        return self._found

    @staticmethod
    def _read(path):
        with open(path, encoding="utf-8", errors="replace") as file:
            events = json.load(file)
        nodes = {}
        for event in events:
            details = event.get("args") or {}
            provider = details.get("provider")
            if event.get("cat") != "Node" or not provider:
                continue
            # Copies between devices are the runtime's own, not the model's nodes.
            if details.get("op_name", "").startswith("Memcpy"):
                continue
            name = event.get("name", "").rpartition("_kernel_time")[0] or event.get("name", "")
            nodes.setdefault(provider, set()).add((details.get("node_index"), name))
        return {provider: len(names) for provider, names in nodes.items()}

    def close(self):
        """Remove its files, also where the session never came to be."""
        shutil.rmtree(self._folder, ignore_errors=True)
