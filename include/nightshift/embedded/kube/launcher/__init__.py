"""A container's first process: makes its namespaces and mounts, then runs its command.

A program of its own, run with ``python -I -S`` by nightshift.embedded.kube.kubelet. It imports only
``os``, ``ctypes``, ``marshal`` and ``_signal``, because every container pays for its imports.
"""
