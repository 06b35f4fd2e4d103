"""From a batch file to Kubernetes Jobs: what each clones and scans, and what it is called.

A Job's name holds a hash of everything that decides its result, so the same work has the same name:
a second start finds the first one's Job instead of making another.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nightshift.cli.rank import shown_name
from nightshift.cluster.client import Object
from nightshift.cluster.labels import our_labels
from nightshift.cluster.manifests import JobParts, build_job
from nightshift.domain.batches import BatchFile, BatchJob
from nightshift.domain.ids import (
    AccountName,
    CommitSha,
    ScannerName,
    parse_scan_name,
    parse_shard_name,
)
from nightshift.domain.jsonvalues import dump
from nightshift.domain.names import label_value, object_name
from nightshift.domain.nodes import Node
from nightshift.domain.placement.plans import ShardDemand
from nightshift.domain.placement.steering import Rights, SteeringChoice
from nightshift.domain.pods import parse_tolerations
from nightshift.domain.repositories import Repository
from nightshift.domain.requests import effective_requests
from nightshift.domain.steering.choosing import Granted
from nightshift.domain.steering.steered import SteeredPlan, make_plan
from nightshift.domain.worklists import (
    CloneItem,
    CloneLimits,
    CloneWorkList,
    ScanItem,
    ScanWorkList,
)
from nightshift.errors import ConfigError, ConfigErrors
from nightshift.git.admission import HeadResult, read_heads
from nightshift.git.sessions import git_session
from nightshift.scanners import Scanner, cache_key
from nightshift.settings import Settings

KIND = "nightshift/kind"
BATCH_JOB = "batch-job"
NETWORK = "code-clone"
"""The component that network policies let out to the forges; these pods clone, so they need it."""
CLONE, SCAN = parse_shard_name("c001"), parse_shard_name("s001")
_CLONE_SECONDS = 900
_MARGIN_SECONDS = 120
_NAME_LIMIT = 57
"""Kubernetes adds six characters for the pod's name."""


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """One Job to be: its work lists (file name to text) and everything its manifest needs."""

    job: BatchJob
    commit: CommitSha
    files: Mapping[str, str]
    parts: JobParts

    @property
    def name(self) -> str:
        """The name of the Job and of its ConfigMap."""
        return self.parts.name

    @property
    def shown(self) -> str:
        """What messages call it."""
        return str(shown_name(self.job))


def follow_labels() -> dict[str, str]:
    """Give the labels that all our batch Jobs and their pods have."""
    return {**our_labels(NETWORK), KIND: BATCH_JOB}


def resolve_commits(batch: BatchFile, settings: Settings) -> list[CommitSha]:
    """Ask every remote for the commit that its job shall scan, in the order of ``batch.jobs``.

    :raises ConfigErrors: with every job whose remote has nothing to scan.
    """
    repositories = [Repository(job.account, job.name, job.remote, job.ref) for job in batch.jobs]
    with ExitStack() as stack:
        sessions = {
            account: stack.enter_context(
                git_session(settings.git_protocols, _credentials(settings, account))
            )
            for account in batch.by_account
        }
        results = read_heads(repositories, sessions.__getitem__)
    faults = [
        ConfigError(f"{batch.source}: jobs[{index}].repository", problem)
        for index, result in enumerate(results)
        if (problem := _why_nothing(result))
    ]
    if faults:
        raise ConfigErrors("not every repository can be scanned:", faults)
    return [result.head.commit for result in results if result.head and result.head.commit]


def plan_jobs(
    batch: BatchFile,
    commits: Sequence[CommitSha],
    scanners: Mapping[ScannerName, Scanner],
    settings: Settings,
    template: Object,
) -> list[PlannedJob]:
    """Write each job's work lists, and name it after its work; highest priority first."""
    base = _digest(settings.scan_image, settings.require_confinement, template)
    planned = [
        _plan_job(job, commit, [scanners[name] for name in job.scanners], settings, base)
        for job, commit in zip(batch.jobs, commits, strict=True)
    ]
    return sorted(planned, key=lambda one: -one.job.priority)


def place_jobs(
    jobs: Sequence[PlannedJob], template: Object, nodes: Sequence[Node], strategy: str
) -> tuple[SteeredPlan, list[Object]]:
    """Choose nodes for the Jobs and write their manifests, in the order of ``jobs``.

    What a pod needs is read from its manifest, so that sidecars in the template count. Pods are led
    by their affinity alone: a gate would stay on a pod that its Job makes anew when nobody is there
    any more to open it, and so would a label on a node.

    :raises CapacityImpossible: if a job fits no node even when it is empty.
    :raises ConfigError: if the template's requests or tolerations cannot be read.
    """
    manifests = [build_job(template, one.parts) for one in jobs]
    demands = [_demand(one, manifest) for one, manifest in zip(jobs, manifests, strict=True)]
    steered = make_plan(strategy, SteeringChoice.AUTO, Granted(Rights()), nodes, demands)
    placed = [
        build_job(template, dataclasses.replace(one.parts, affinity=shard.affinity()))
        for one, shard in zip(jobs, steered.plan.shards, strict=True)
    ]
    return steered, placed


def _credentials(settings: Settings, account: AccountName) -> Path | None:
    folder = Path(settings.git_credentials_dir) / account
    return folder if settings.git_credentials_dir and folder.is_dir() else None


def _why_nothing(result: HeadResult) -> str:
    if result.failure is not None:
        return f"{result.failure} ({result.failure.reason})"
    return "is empty: it has no commit" if result.head is None or result.head.is_empty else ""


def _demand(one: PlannedJob, manifest: Object) -> ShardDemand:
    spec = manifest["spec"]["template"]["spec"]
    try:
        need = effective_requests({"spec": spec}).need
        tolerations = parse_tolerations(spec.get("tolerations"), "spec.tolerations")
    except ValueError as error:
        raise ConfigError("the Job template", f"spec.template.{error}") from error
    return ShardDemand(shown_name(one.job), need, tolerations)


def _plan_job(
    job: BatchJob,
    commit: CommitSha,
    chosen: Sequence[Scanner],
    settings: Settings,
    base: str,
) -> PlannedJob:
    identity = _digest(
        base, job.remote.url, commit,
        job.request.cpu_millis, job.request.memory_bytes, job.time_limit_seconds,
        *(cache_key(commit, scanner) for scanner in chosen),
    )  # fmt: skip
    name = object_name("scan", job.account, job.name, identity[:10], limit=_NAME_LIMIT)
    files = _write_work_lists(job, commit, chosen, int(identity[:12], 16), settings)
    labels = {
        **follow_labels(),
        "nightshift/account": label_value(job.account),
        "nightshift/job": label_value(job.name),
    }
    parts = JobParts(
        name=name,
        labels=labels,
        image=settings.scan_image,
        image_pull_policy=settings.image_pull_policy,
        arguments={
            "clone": (*_arguments("clone.json", files), "--credentials", "/credentials",
                      "--scratch", "/tmp"),  # noqa: S108 - the container's own emptyDir
            "scan": (*_arguments("scan.json", files), *_own_scanners(settings)),
        },
        request=job.request,
        affinity={},
        deadline_seconds=job.time_limit_seconds or _usual_seconds(chosen),
        config_map=name,
        git_secret=f"{settings.git_secret_prefix}{job.account}",
        service_account=settings.pod_service_account,
        priority_class=settings.priority_class,
    )  # fmt: skip
    return PlannedJob(job, commit, files, parts)


def _usual_seconds(scanners: Sequence[Scanner]) -> int:
    scanning = sum(scanner.resources.deadline_seconds for scanner in scanners)
    return _CLONE_SECONDS + scanning + _MARGIN_SECONDS


def _write_work_lists(
    job: BatchJob, commit: CommitSha, scanners: Sequence[Scanner], batch: int, settings: Settings
) -> dict[str, str]:
    clone = CloneWorkList(
        batch=batch,
        shard=CLONE,
        account=job.account,
        protocols=settings.git_protocols,
        items=(CloneItem(job.name, job.remote.url, commit),),
        limits=CloneLimits(seconds=min(_CLONE_SECONDS, job.time_limit_seconds or _CLONE_SECONDS)),
    )
    items = tuple(_scan_item(job, commit, scanner, batch) for scanner in scanners)
    scan = ScanWorkList(batch, SCAN, job.account, items, settings.require_confinement)
    return {"clone.json": dump(clone), "scan.json": dump(scan)}


def _scan_item(job: BatchJob, commit: CommitSha, scanner: Scanner, batch: int) -> ScanItem:
    limits = scanner.resources.within(job.needs)
    return ScanItem(
        scan=parse_scan_name(f"{batch}-{job.name}-{scanner.name}"),
        repository=job.name,
        commit=commit,
        scanner=scanner.name,
        cache_key=cache_key(commit, scanner),
        deadline_seconds=limits.deadline_seconds,
        memory_bytes=limits.memory_limit_bytes,
    )


def _own_scanners(settings: Settings) -> tuple[str, ...]:
    return ("--scanners", settings.scanners_dir) if settings.scanners_dir else ()


def _arguments(file: str, files: Mapping[str, str]) -> tuple[str, ...]:
    sha256 = hashlib.sha256(files[file].encode()).hexdigest()
    return ("--root", "/workspace", "--work-list", f"/etc/nightshift/{file}", "--sha256", sha256)


def _digest(*facts: Any) -> str:  # noqa: ANN401 - whatever JSON can write
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
