"""What a cluster is started with; two starts with equal options may share one cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.kube.errors import HarnessError

PARTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kwok")
OPTIONAL = ("kube-controller-manager", "kube-scheduler", "kwok")


@dataclass(frozen=True, slots=True)
class FakeNodes:
    """Nodes without a machine, played by kwok.

    :param cpu: a quantity; :param memory: likewise.
    """

    count: int = 0
    cpu: str = "4"
    memory: str = "16Gi"


@dataclass(frozen=True, slots=True)
class Options:
    """How to start a cluster.

    :param nodes: real ones, each with a containerd and a kubelet.
    :param fake_only: control plane on 127.0.0.1 only; no nodes but fake ones, no root needed.
    :param scanner: give the nodes the scanner image too.
    :param arguments: more arguments of a part, after ours: part to list.
    :param without: parts that are not started, of ``OPTIONAL``.
    :param scheduler: fields of KubeSchedulerConfiguration, before ours.
    :param feature_gates: of all parts of Kubernetes: name to on or off.
    """

    nodes: int = 2
    fake_only: bool = False
    fake_nodes: FakeNodes = field(default_factory=FakeNodes)
    scanner: bool = False
    arguments: Mapping[str, Sequence[str]] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    scheduler: Mapping[str, Any] = field(default_factory=dict)
    feature_gates: Mapping[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        :raises HarnessError: naming the fault.
        """
        for part in self.arguments:
            if part not in PARTS:
                raise HarnessError(f"arguments for {part!r}: choose one of {', '.join(PARTS)}")
        for part in self.without:
            if part not in OPTIONAL:
                raise HarnessError(f"cannot leave out {part!r}, only {', '.join(OPTIONAL)}")
        if self.scanner and self.fake_only:
            raise HarnessError("there is no node to give the scanner image to: only fake ones")
        if self.nodes < 0 or self.fake_nodes.count < 0:
            raise HarnessError("a number of nodes is 0 or more")

    @property
    def has_kwok(self) -> bool:
        """Tell whether kwok runs: where there may be fake nodes and it is not left out."""
        return (self.fake_only or self.fake_nodes.count > 0) and "kwok" not in self.without

    @property
    def real_nodes(self) -> int:
        """How many nodes have a kubelet."""
        return 0 if self.fake_only else self.nodes

    def more(self, part: str) -> list[str]:
        """Give the arguments to append to a part's own."""
        return list(self.arguments.get(part, ()))

    def gates(self) -> list[str]:
        """Give the feature gates as an argument; none if none is set."""
        pairs = [f"{name}={str(on).lower()}" for name, on in sorted(self.feature_gates.items())]
        return [f"--feature-gates={','.join(pairs)}"] if pairs else []

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Options":
        """Read what ``to_json`` gave."""
        fields = {**plain, "fake_nodes": FakeNodes(**plain["fake_nodes"])}
        return cls(**{**fields, "without": tuple(plain["without"])})

    def to_json(self) -> dict[str, Any]:
        """Give a form that the state file keeps, equal exactly for equal options."""
        plain = asdict(self)
        plain["arguments"] = {part: list(words) for part, words in self.arguments.items()}
        plain["without"] = sorted(self.without)
        return plain
