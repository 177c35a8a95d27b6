"""Errors on demand: what the control side asks to go wrong, and how often."""

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from simulator.errors import ApiError


@dataclass
class Fault:
    """One injected fault. `drop="answer"`: the effect is done, then the connection is cut."""

    path: str = ""
    """What follows `/cgi-bin/`; `*` is every path."""
    errcode: int | None = None
    status: int | None = None
    latency_ms: int = 0
    drop: Literal["request", "answer"] | None = None
    times: int | None = None
    """How many calls it still hits; None until removed."""

    async def delay(self) -> None:
        """Wait as long as the fault says."""
        if self.latency_ms:
            await asyncio.sleep(self.latency_ms / 1000)

    def check(self) -> None:
        """Raise the errcode the fault answers instead of the API."""
        if self.errcode:
            raise ApiError(self.errcode, "injected fault")


NO_FAULT = Fault()


@dataclass
class Faults:
    """The faults in force, the first that matches a path wins."""

    active: list[Fault] = field(default_factory=list)

    def take(self, path: str) -> Fault:
        """The fault that hits this call, counted down; `NO_FAULT` when there is none."""
        for fault in self.active:
            if fault.path in {path, "*"}:
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self.active.remove(fault)
                return fault
        return NO_FAULT
