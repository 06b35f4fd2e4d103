"""What all pods of a kubelet share."""

from dataclasses import dataclass
from pathlib import Path

from nightshift.embedded.kube.interfaces import EventRecorder, Object, ObjectStore, StatusError
from nightshift.embedded.kube.kubelet.capabilities import Capabilities
from nightshift.embedded.kube.kubelet.memory import MemoryWatch
from nightshift.embedded.kube.kubelet.options import KubeletOptions
from nightshift.embedded.kube.kubelet.podstatus import build_status
from nightshift.embedded.kube.kubelet.states import PodRecord

SOURCE = "kubelet"


@dataclass(frozen=True, slots=True)
class Services:
    """The cluster as a pod's worker sees it."""

    store: ObjectStore
    events: EventRecorder
    options: KubeletOptions
    capabilities: Capabilities
    memory: MemoryWatch

    def find(self, kind: str, name: str, pod: Object) -> Object | None:
        """Look ``name`` up in the pod's namespace."""
        return self.store.find(kind, name, pod["metadata"].get("namespace", ""))

    def tell(self, pod: Object, reason: str, message: str) -> None:
        """Record an event of a pod."""
        self.events.record(pod, reason, message, source=SOURCE)

    def warn(self, pod: Object, reason: str, message: str) -> None:
        """Record a warning about a pod."""
        self.events.record(pod, reason, message, type_="Warning", source=SOURCE)

    def publish(self, pod: Object, record: PodRecord) -> None:
        """Write the pod's status, if it is still there (a later pod of its name is not it)."""
        metadata, now = pod["metadata"], self.options.clock()

        def change(stored: Object) -> None:
            if stored["metadata"]["uid"] == metadata["uid"]:
                stored["status"] = build_status(stored, record, now)

        try:
            self.store.mutate("pods", metadata["name"], metadata.get("namespace", ""), change)
        except StatusError as error:
            if error.reason != "NotFound":
                raise

    def pod_folder(self, uid: str) -> Path:
        """Name the folder that holds all of a pod's files."""
        return pods_folder(self.options) / uid


def pods_folder(options: KubeletOptions) -> Path:
    """Name the folder of all pods."""
    return options.data_dir.absolute() / "pods"
