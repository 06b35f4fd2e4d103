"""Runs the pods of the embedded cluster as local processes."""

from nightshift.embedded.kube.kubelet.capabilities import Capabilities
from nightshift.embedded.kube.kubelet.kubelet import LocalKubelet
from nightshift.embedded.kube.kubelet.options import Image, KubeletOptions, MountMode, Patience

__all__ = ["Capabilities", "Image", "KubeletOptions", "LocalKubelet", "MountMode", "Patience"]
