"""Which start of a container GET .../log means.

Source: pkg/kubelet (validateContainerLogStatus).
"""

from nightshift.embedded.kube.interfaces import StatusError
from nightshift.embedded.kube.kubelet.states import ContainerRecord, Waiting

_WAITING_WORDS = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


def choose_start(record: ContainerRecord, pod_name: str, *, previous: bool) -> int:
    """Find the number of the start whose log is meant.

    :raises StatusError: 400 while the container waits for its first start, or had no previous one.
    """
    where = f'container "{record.name}" in pod "{pod_name}"'
    is_waiting = isinstance(record.state, Waiting)
    if previous:
        if record.last is None:
            text = f'previous terminated container "{record.name}" in pod "{pod_name}" not found'
            raise StatusError(400, "BadRequest", text)
        return record.restarts if is_waiting else record.restarts - 1
    if isinstance(record.state, Waiting) and record.last is None:
        why = _WAITING_WORDS.get(record.state.reason, record.state.reason)
        raise StatusError(400, "BadRequest", f"{where} is waiting to start: {why}")
    return record.restarts
