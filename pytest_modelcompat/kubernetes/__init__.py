"""Manifests for a cluster: one Job a cell, from the same plan (docs/kubernetes.md).

Nothing here talks to a cluster. `fits` says which cells can run in a pod, `project` takes along
what the matrix names, `names` and `manifests` make the objects, `text` writes them, `command` is
the sub-command around it all.
"""
