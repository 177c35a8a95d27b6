"""What a refused welcome means when an attempt before had no answer."""

from typing import Any

import pytest

from bot.jobs import Job
from bot.wecom.errors import WelcomeRefused
from sop.greeting import Greeter
from tests.conftest import MONDAY_TEN
from tests.hand_clock import HandClock


@pytest.mark.parametrize(
    ("seconds", "errcode", "unanswered", "outcome"),
    [
        (3, 41050, True, "unconfirmed"),
        (19.5, 41050, True, "not_sent"),
        (25, 41050, True, "not_sent"),
        (19.5, 41051, True, "unconfirmed"),
        (3, 41050, False, "not_sent"),
        (3, 41051, False, "not_sent"),
    ],
)
async def test_a_spent_code_says_less_near_its_end(
    seconds: float, errcode: int, unanswered: bool, outcome: str
) -> None:
    clock = HandClock(MONDAY_TEN)
    nobody: Any = None  # nothing is called, no file is read
    greeter = Greeter(nobody, nobody, clock, 20)
    job = Job(key="w", kind="welcome", run_at=clock.now(), created_at=clock.now(), unanswered=unanswered)
    clock.forward(seconds)

    done = greeter.refused(job, WelcomeRefused("externalcontact/send_welcome_msg", errcode, ""))
    assert done.outcome == outcome
