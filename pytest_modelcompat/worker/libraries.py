"""What the loader finds by itself on a system: told by any Python that runs there.

Here the host imports it; images and machines get it as text, beside the question what they are.
Standard library only, imports nothing of the worker's, and is as plain as the oldest Python of an
image needs. Nothing is loaded; folders are listed, and one file is read.
"""

import glob
import os
import re

CONFIGURED = "/etc/ld.so.conf"
DEPTH = 5  # of files that include files
MOST = 20000  # names
FOREIGN = re.compile(r"^(\w+)-linux-(gnu|musl)\w*$")
GLIBCXX = re.compile(rb"GLIBCXX_(\d+(?:\.\d+)+)\0")
STDCXX = "libstdc++.so.6"
LARGEST = 1 << 26  # bytes of a C++ library


def offered(folders=()):
    """What the default folders of the loader hold.

    Args:
        folders: others that are looked into: those beside interpreters, and of LD_LIBRARY_PATH.

    Returns:
        {"libraries": names, "glibcxx": the highest version of the C++ library or "", "musl": the
        loader is musl's}.
    """
    machine = os.uname()[4]
    names, versions = set(), []
    for folder in list(folders) + default_folders(machine):
        try:
            here = [name for name in os.listdir(folder) if ".so" in name]
        except OSError:
            continue
        names.update(here)
        if STDCXX in here:
            versions.append(highest(os.path.join(folder, STDCXX)))
    musl = bool(glob.glob("/lib/ld-musl-*")) and not glob.glob("/lib*/ld-linux*")
    glibcxx = ".".join(map(str, max(versions))) if versions else ""
    return {"libraries": sorted(names)[:MOST], "glibcxx": glibcxx, "musl": musl}


def default_folders(machine):
    """Where the loader looks by itself, without folders for other processors."""
    places = configured(CONFIGURED, 0)
    for top in ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"):
        places += [top, os.path.join(top, machine + "-linux-gnu")]
    found = []
    for place in places:
        foreign = FOREIGN.match(os.path.basename(place.rstrip("/")))
        if place not in found and not (foreign and foreign.group(1) != machine):
            found.append(place)
    return found


def configured(file, depth):
    """The folders that a file of the loader's names, and those that it includes."""
    found = []
    try:
        with open(file, "rb") as stream:
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except (OSError, IOError):
        return []
    for line in lines:
        text = line.partition("#")[0].strip()
        if text.startswith("include ") and depth < DEPTH:
            for pattern in text.split()[1:]:
                for one in sorted(glob.glob(os.path.join(os.path.dirname(file), pattern))):
                    found += configured(one, depth + 1)
        elif text.startswith("/"):
            found.append(text)
    return found


def highest(library):
    """The highest version that a C++ library has for others, as numbers."""
    try:
        with open(library, "rb") as stream:
            data = stream.read(LARGEST)
    except (OSError, IOError):
        return ()
    versions = [version.decode("ascii") for version in GLIBCXX.findall(data)]
    return max([tuple(map(int, version.split("."))) for version in versions] or [()])
