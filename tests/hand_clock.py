"""A clock that a test moves forward by hand, windows of the platform included."""

from datetime import timedelta

from bot.clock import Clock


class HandClock(Clock):
    """Runs at normal speed, and `forward` skips what a test would otherwise have to wait for."""

    skipped = 0.0

    def elapsed(self) -> float:
        """Seconds that go on with `forward` too."""
        return super().elapsed() + self.skipped

    def forward(self, seconds: float) -> None:
        """Let so much time go by at once, for bot and simulator alike."""
        self.skipped += seconds
        self.jump(self.now() + timedelta(seconds=seconds))
