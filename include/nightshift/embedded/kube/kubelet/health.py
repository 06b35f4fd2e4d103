"""Probes of one run of a container: started, ready, alive. Source: pkg/kubelet/prober."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.kubelet.actions import perform
from nightshift.embedded.kube.kubelet.runs import Run
from nightshift.embedded.kube.kubelet.states import ContainerRecord

Warn = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe; times in seconds."""

    action: Object
    initial_delay: float
    period: float
    timeout: float
    successes: int
    failures: int


def parse_probe(container: Object, field: str) -> Probe | None:
    """Read ``startupProbe``, ``readinessProbe`` or ``livenessProbe``; None if there is none."""
    raw = container.get(field)
    if not raw:
        return None
    return Probe(
        raw,
        float(raw.get("initialDelaySeconds") or 0),
        float(raw.get("periodSeconds") or 10),
        float(raw.get("timeoutSeconds") or 1),
        int(raw.get("successThreshold") or 1),
        int(raw.get("failureThreshold") or 3),
    )


@dataclass(slots=True)
class HealthWatch:
    """Keeps ``record.started`` and ``record.ready`` true to the probes.

    :param publish: called after each change.
    :param warn: records an event: (reason, message).
    :param end: ends the container, which may then be restarted.
    """

    container: Object
    run: Run
    record: ContainerRecord
    publish: Callable[[], None]
    warn: Warn
    end: Callable[[str], None]

    async def follow(self) -> None:
        """Probe until the container is found dead, or we are cancelled."""
        startup = parse_probe(self.container, "startupProbe")
        if startup and not await self._turns_good(startup, "Startup"):
            self.end("failed startup probe")
            return
        readiness = parse_probe(self.container, "readinessProbe")
        self.record.started = True
        self.record.ready = readiness is None
        self.publish()
        async with asyncio.TaskGroup() as group:
            if readiness:
                group.create_task(self._follow_readiness(readiness))
            if liveness := parse_probe(self.container, "livenessProbe"):
                group.create_task(self._follow_liveness(liveness))

    async def _turns_good(self, probe: Probe, kind: str) -> bool:
        """Tell whether it succeeds before it has failed too often in a row."""
        await asyncio.sleep(probe.initial_delay)
        for _ in range(probe.failures):
            if await self._is_good(probe, kind):
                return True
            await asyncio.sleep(probe.period)
        return False

    async def _follow_readiness(self, probe: Probe) -> None:
        await asyncio.sleep(probe.initial_delay)
        alike, last = 0, self.record.ready
        while True:
            good = await self._is_good(probe, "Readiness")
            alike, last = alike + 1 if good == last else 1, good
            needed = probe.successes if good else probe.failures
            if good != self.record.ready and alike >= needed:
                self.record.ready = good
                self.publish()
            await asyncio.sleep(probe.period)

    async def _follow_liveness(self, probe: Probe) -> None:
        await asyncio.sleep(probe.initial_delay)
        failures = 0
        while failures < probe.failures:
            failures = 0 if await self._is_good(probe, "Liveness") else failures + 1
            if failures < probe.failures:
                await asyncio.sleep(probe.period)
        self.end("failed liveness probe")

    async def _is_good(self, probe: Probe, kind: str) -> bool:
        failure = await perform(probe.action, self.container, self.run, probe.timeout)
        if failure:
            self.warn("Unhealthy", f"{kind} probe failed: {failure}")
        return not failure
