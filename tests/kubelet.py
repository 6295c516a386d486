"""What a node does with our manifests, without a cluster: processes in place of containers.

A pod's volumes are folders of the test's, and the paths at which they are mounted are put into its
commands; what is not mounted is not found. A ConfigMap's volume is made of links, as a kubelet
makes it. The environment is what the manifest says and nothing else, but for where programs are.
Confinement (users, read-only roots) is not imitated by processes; `ContainerNode` has it, in real
containers.
"""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

PROGRAMS = f"{Path(sys.executable).parent}:{os.defpath}"
INSTALLED = "/usr/local/lib/python3.11/dist-packages"  # of the image for containers
KEPT = ("COVERAGE_", "UV_CACHE")  # of the test's own environment


def expanded(word: str, environment: dict[str, str]) -> str:
    """A word of a command as a kubelet gives it to the container: `$(NAME)` and `$$` are its own.

    As the API says of `command` and `args`; names that it does not know stay as they are.
    """
    return re.sub(
        r"\$(?:(\$)|\(([^)]*)\))",
        lambda found: found[1] or environment.get(found[2], found[0]),
        word,
    )


@dataclass
class Pod:
    """A container that runs."""

    process: subprocess.Popen[bytes]
    hook: list[str]
    environment: dict[str, str]
    told: str = ""

    def wait(self) -> int:
        """Its exit status; what it said is in `told` then."""
        out, _ = self.process.communicate(timeout=300)
        self.told += out.decode("utf-8", "replace")
        return self.process.returncode

    def end(self) -> int:
        """As a drained node does: the hook, time to end, no mercy afterwards."""
        subprocess.run(self.hook, env=self.environment, check=True, timeout=60)
        return self.wait()

    def kill(self) -> None:
        """As a node does that is out of memory, or loses its power."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.wait()


@dataclass
class Node:
    """Where pods run.

    Attributes:
        folder: everything of it.
        secrets: name -> environment variables.
    """

    folder: Path
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    configs: dict[str, dict[str, bytes]] = field(default_factory=dict)
    started: int = 0

    @property
    def volume(self) -> Path:
        made = self.folder / "volume"
        made.mkdir(parents=True, exist_ok=True)
        return made

    def run(self, file: Path) -> list[Pod]:
        """Create all objects of a file, one Job after the other; each has ended."""
        pods = []
        for job in self.create(file):
            pods.append(self.start(job))
            pods[-1].wait()
        return pods

    def create(self, file: Path) -> list[dict[str, Any]]:
        """Take up ConfigMaps; gives the Jobs."""
        objects = list(yaml.safe_load_all(file.read_text("utf-8")))
        for each in objects:
            if each["kind"] == "ConfigMap":
                texts = {key: text.encode() for key, text in each.get("data", {}).items()}
                packed = each.get("binaryData", {}).items()
                rest = {key: base64.b64decode(text, validate=True) for key, text in packed}
                self.configs[each["metadata"]["name"]] = {**texts, **rest}
        return [each for each in objects if each["kind"] == "Job"]

    def start(self, job: dict[str, Any]) -> Pod:
        """The one container of a Job's pod."""
        spec = job["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        self.started += 1
        place = self.folder / "pods" / str(self.started)
        volumes = {each["name"]: each for each in spec["volumes"]}
        mounts = {
            each["mountPath"]: self._mounted(volumes[each["name"]], each, place)
            for each in container["volumeMounts"]
        }
        environment = {
            **{
                name: value
                for source in container.get("envFrom", ())
                for name, value in self.secrets[source["secretRef"]["name"]].items()
            },
            **{each["name"]: each["value"] for each in container["env"]},
        }
        words = [*container["command"], *container["args"]]
        command = [expanded(word, environment) for word in words]
        hook = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
        return self._launch(spec, command, environment, mounts, hook)

    def _launch(
        self,
        spec: dict[str, Any],
        command: list[str],
        environment: dict[str, str],
        mounts: dict[str, Path],
        hook: list[str],
    ) -> Pod:
        paths = sorted(map(re.escape, mounts), key=len, reverse=True)
        pattern = re.compile(rf"(?<![\w.])({'|'.join(paths)})(?![\w-])")

        def here(text: str) -> str:
            return pattern.sub(lambda found: str(mounts[found[1]]), text)

        kept = {name: value for name, value in os.environ.items() if name.startswith(KEPT)}
        told = {name: here(value) for name, value in environment.items()}
        env = {"PATH": PROGRAMS, **kept, **told}
        process = subprocess.Popen(
            [here(word) for word in command],
            cwd="/",
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return Pod(process, [here(word) for word in hook], env)

    def _mounted(self, volume: dict[str, Any], mount: dict[str, Any], place: Path) -> Path:
        if "persistentVolumeClaim" in volume:
            found = self.volume / mount.get("subPath", "")
            assert found.is_dir(), f"{found} would be made by the kubelet, for root alone"
            return found
        made = place / volume["name"]
        made.mkdir(parents=True)
        if "configMap" in volume:
            self._fill(volume["configMap"], made)
        else:
            assert volume["emptyDir"] == {}
        return made

    def _fill(self, source: dict[str, Any], made: Path) -> None:
        contents = self.configs[source["name"]]
        items = source.get("items", [{"key": key, "path": key} for key in contents])
        real = made / "..2026_11_22"
        for item in items:
            path = real / item["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents[item["key"]])
        (made / "..data").symlink_to(real.name)
        for name in {Path(item["path"]).parts[0] for item in items}:
            (made / name).symlink_to(f"..data/{name}")


@dataclass
class Container(Pod):
    """A pod that is a container of an engine."""

    name: str = ""

    def end(self) -> int:
        """The hook, then the signal that a shell which is process 1 does not hear."""
        subprocess.run(["docker", "exec", self.name, *self.hook], check=True, timeout=60)
        subprocess.run(["docker", "kill", "--signal=TERM", self.name], check=False, timeout=60)
        return self.wait()

    def kill(self) -> None:
        subprocess.run(["docker", "kill", self.name], check=True, timeout=60, capture_output=True)
        self.wait()


@dataclass
class ContainerNode(Node):
    """A node with an engine: users, read-only roots and mounts are as the manifest says.

    Attributes:
        image: in place of the manifest's.
        packages: what the image lacks; mounted where its Python looks for what a user installed.
    """

    image: str = ""
    packages: Path = Path()

    def _launch(
        self,
        spec: dict[str, Any],
        command: list[str],
        environment: dict[str, str],
        mounts: dict[str, Path],
        hook: list[str],
    ) -> Pod:
        (container,) = spec["containers"]
        context, confined = spec["securityContext"], container["securityContext"]
        user, group = context["runAsUser"], context["runAsGroup"]
        closed = {each["mountPath"] for each in container["volumeMounts"] if each.get("readOnly")}
        name = f"modelcompat-kubelet-{os.getpid()}-{self.started}"
        words = ["docker", "run", "--rm", f"--name={name}", f"--user={user}:{group}"]
        words += ["--network=none", "--workdir=/"]
        words += ["--read-only"] * confined["readOnlyRootFilesystem"]
        words += ["--security-opt=no-new-privileges"] * (not confined["allowPrivilegeEscalation"])
        words += [f"--cap-drop={each}" for each in confined["capabilities"]["drop"]]
        words += [
            f"--memory={container['resources']['limits']['memory'].removesuffix('i').lower()}"
        ]
        words.append(f"--env=PATH={INSTALLED}/programs:/usr/bin:/bin")
        words += [f"--env={key}={value}" for key, value in environment.items()]
        words += [f"--mount=type=bind,source={self.packages},target={INSTALLED},readonly"]
        for target, source in mounts.items():
            os.chown(source, -1, context["fsGroup"])  # as `fsGroup` does for the volume's root
            source.chmod(0o2775)
            more = ",readonly" if target in closed else ""
            words.append(f"--mount=type=bind,source={source},target={target}{more}")
        process = subprocess.Popen(
            [*words, self.image, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return Container(process, hook, {}, name=name)
