"""Tables of what is not a workload: nodes, namespaces, services, volumes, events, policies."""

import datetime as dt

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.tables_cells import (
    AGE,
    NAME,
    NONE,
    Column,
    age,
    at,
    field,
    joined,
    label_text,
    selector_text,
)

_ROLE_PREFIX = "node-role.kubernetes.io/"
_ACCESS = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def _node_status(node: Object, _: dt.datetime) -> str:
    conditions = at(node, "status.conditions", [])
    ready = next((c.get("status") for c in conditions if c.get("type") == "Ready"), None)
    states = {"True": "Ready", "False": "NotReady"}
    words = [states.get(str(ready), "Unknown")]
    if at(node, "spec.unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _node_address(type_: str) -> Column:
    def read(node: Object, _: dt.datetime) -> str:
        addresses = at(node, "status.addresses", [])
        return next((a["address"] for a in addresses if a.get("type") == type_), NONE)

    return Column({"InternalIP": "Internal-IP"}.get(type_, "External-IP"), read, priority=1)


def _node_roles(node: Object, _: dt.datetime) -> str:
    labels = node["metadata"].get("labels") or {}
    return joined(
        sorted(k.removeprefix(_ROLE_PREFIX) for k in labels if k.startswith(_ROLE_PREFIX))
    )


def _service_ports(service: Object, _: dt.datetime) -> str:
    ports = at(service, "spec.ports", [])
    shown = []
    for port in ports:
        outside = f":{port['nodePort']}" if port.get("nodePort") else ""
        shown.append(f"{port['port']}{outside}/{port.get('protocol', 'TCP')}")
    return joined(shown)


def _access_modes(obj: Object, _: dt.datetime) -> str:
    return joined((_ACCESS.get(m, m) for m in at(obj, "spec.accessModes", [])), "")


def _claim(volume: Object, _: dt.datetime) -> str:
    claim = at(volume, "spec.claimRef")
    return f"{claim.get('namespace')}/{claim.get('name')}" if claim else ""


def _phase(obj: Object, _: dt.datetime) -> str:
    if "deletionTimestamp" in obj["metadata"]:
        return "Terminating"
    return str(at(obj, "status.phase", ""))


def _last_seen(event: Object, now: dt.datetime) -> str:
    last = (
        at(event, "series.lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"]["creationTimestamp"]
    )
    return age(last, now)


def _event_object(event: Object, _: dt.datetime) -> str:
    about = event.get("involvedObject") or {}
    return f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"


def _hosts(ingress: Object, _: dt.datetime) -> str:
    return joined((rule.get("host", "*") for rule in at(ingress, "spec.rules", [])), "*")


def _usage(kind: str) -> Column:
    def read(quota: Object, _: dt.datetime) -> str:
        hard, used = at(quota, "spec.hard", {}), at(quota, "status.used", {})
        chosen = sorted(name for name in hard if name.startswith("limits.") is (kind == "Limit"))
        return ", ".join(f"{name}: {used.get(name, 0)}/{hard[name]}" for name in chosen)

    return Column(kind, read)


def _size(*fields: str) -> Column:
    return Column("Data", lambda obj, _: sum(len(obj.get(f) or {}) for f in fields))


def _text(value: object) -> str:
    return "N/A" if value is None else str(value)


CORE_COLUMNS: dict[str, tuple[Column, ...]] = {
    "nodes": (
        NAME,
        Column("Status", _node_status),
        Column("Roles", _node_roles),
        AGE,
        Column("Version", field("status.nodeInfo.kubeletVersion")),
        _node_address("InternalIP"),
        _node_address("ExternalIP"),
        Column("OS-Image", field("status.nodeInfo.osImage", NONE), priority=1),
        Column("Kernel-Version", field("status.nodeInfo.kernelVersion", NONE), priority=1),
        Column(
            "Container-Runtime", field("status.nodeInfo.containerRuntimeVersion", NONE), priority=1
        ),
    ),
    "namespaces": (NAME, Column("Status", _phase), AGE),
    "services": (
        NAME,
        Column("Type", field("spec.type", "ClusterIP")),
        Column("Cluster-IP", field("spec.clusterIP", NONE)),
        Column("External-IP", lambda o, _: joined(at(o, "spec.externalIPs", []))),
        Column("Port(s)", _service_ports),
        AGE,
        Column("Selector", lambda o, _: label_text(at(o, "spec.selector")), priority=1),
    ),
    "secrets": (NAME, Column("Type", field("type")), _size("data"), AGE),
    "configmaps": (NAME, _size("data", "binaryData"), AGE),
    "serviceaccounts": (NAME, Column("Secrets", lambda o, _: len(o.get("secrets") or [])), AGE),
    "persistentvolumes": (
        NAME,
        Column("Capacity", field("spec.capacity.storage")),
        Column("Access Modes", _access_modes),
        Column("Reclaim Policy", field("spec.persistentVolumeReclaimPolicy")),
        Column("Status", _phase),
        Column("Claim", _claim),
        Column("StorageClass", field("spec.storageClassName")),
        AGE,
        Column("VolumeMode", field("spec.volumeMode", "Filesystem"), priority=1),
    ),
    "persistentvolumeclaims": (
        NAME,
        Column("Status", _phase),
        Column("Volume", field("spec.volumeName")),
        Column("Capacity", field("status.capacity.storage")),
        Column("Access Modes", _access_modes),
        Column("StorageClass", field("spec.storageClassName")),
        AGE,
        Column("VolumeMode", field("spec.volumeMode", "Filesystem"), priority=1),
    ),
    "storageclasses.storage.k8s.io": (
        NAME,
        Column("Provisioner", field("provisioner")),
        Column("ReclaimPolicy", field("reclaimPolicy", "Delete")),
        Column("VolumeBindingMode", field("volumeBindingMode", "Immediate")),
        Column("AllowVolumeExpansion", field("allowVolumeExpansion", False), "boolean"),
        AGE,
    ),
    "resourcequotas": (NAME, _usage("Request"), _usage("Limit"), AGE),
    "limitranges": (NAME, Column("Created At", field("metadata.creationTimestamp"))),
    "events": (
        Column("Last Seen", _last_seen),
        Column("Type", field("type")),
        Column("Reason", field("reason")),
        Column("Object", _event_object),
        Column("Source", field("source.component"), priority=1),
        Column("Message", lambda o, _: str(o.get("message", "")).strip()),
        Column("Count", field("count", 1), "integer", 1),
        Column("Name", NAME.read, priority=1),
    ),
    "poddisruptionbudgets.policy": (
        NAME,
        Column("Min Available", lambda o, _: _text(at(o, "spec.minAvailable"))),
        Column("Max Unavailable", lambda o, _: _text(at(o, "spec.maxUnavailable"))),
        Column("Allowed Disruptions", field("status.disruptionsAllowed", 0), "integer"),
        AGE,
    ),
    "priorityclasses.scheduling.k8s.io": (
        NAME,
        Column("Value", field("value", 0), "integer"),
        Column("Global-Default", field("globalDefault", False), "boolean"),
        AGE,
        Column("PreemptionPolicy", field("preemptionPolicy", "PreemptLowerPriority")),
    ),
    "leases.coordination.k8s.io": (NAME, Column("Holder", field("spec.holderIdentity")), AGE),
    "networkpolicies.networking.k8s.io": (
        NAME,
        Column("Pod-Selector", lambda o, _: selector_text(at(o, "spec.podSelector"))),
        AGE,
    ),
    "ingresses.networking.k8s.io": (
        NAME,
        Column("Class", field("spec.ingressClassName", NONE)),
        Column("Hosts", _hosts),
        Column("Address", lambda _o, _: ""),
        Column("Ports", lambda o, _: "80, 443" if at(o, "spec.tls") else "80"),
        AGE,
    ),
}  # fmt: skip
