"""Who handles what arrives: handlers register for an event class; the first whose predicate holds wins."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlmodel import Session

from bot.settings import Settings
from bot.wecom.events import Incoming

E = TypeVar("E", bound=Incoming)


@dataclass(frozen=True)
class Context:
    """What a handler works with. It runs inside the transaction that ends its event's job: no calls to the outside."""

    session: Session
    settings: Settings
    now: datetime
    event_id: int
    """The id of the event's job: part of the keys of whatever the event causes."""
    received_at: datetime
    """When we stored the event: our own deadlines count from here, whatever the platform's clock says."""


Handler = Callable[[E, Context], None]


def always(_: Any) -> bool:
    """The predicate of a handler that takes every event of its class."""
    return True


@dataclass(frozen=True)
class Route(Generic[E]):
    """One registered handler."""

    event: type[E]
    when: Callable[[E], bool]
    handler: Handler[E]


@dataclass
class Router:
    """Handlers in order of registration."""

    routes: list[Route[Any]] = field(default_factory=list)

    def on(self, event: type[E], when: Callable[[E], bool] = always) -> Callable[[Handler[E]], Handler[E]]:
        """Register a handler for an event class, its subclasses included."""

        def register(handler: Handler[E]) -> Handler[E]:
            self.routes.append(Route(event, when, handler))
            return handler

        return register

    def include(self, other: "Router") -> None:
        """Append another router's handlers behind ours."""
        self.routes.extend(other.routes)

    def dispatch(self, event: Incoming, ctx: Context) -> bool:
        """Run the first handler that takes the event; False when there is none."""
        for route in self.routes:
            if isinstance(event, route.event) and route.when(event):
                route.handler(event, ctx)
                return True
        return False
