"""Many customers at once."""

import pytest

from tests.conftest import WeCom


async def test_a_crowd_is_spread_over_the_staff_without_events(wecom: WeCom) -> None:
    answered = await wecom.sim("POST", "customers", {"count": 120})
    held = {userid: len(ties) for userid, ties in wecom.corp.follows.by_member.items()}
    times = [one.createtime for one in wecom.corp.follows.values()]

    assert answered == {"ties": 132, "deliveries": []}
    assert set(held) == set(wecom.corp.members)
    assert max(held.values()) - min(held.values()) <= 12
    assert max(times) <= wecom.corp.now()


async def test_two_crowds_are_different_people(wecom: WeCom) -> None:
    await wecom.sim("POST", "customers", {"count": 30})
    await wecom.sim("POST", "customers", {"count": 30})

    assert len(wecom.corp.customers) == 60


@pytest.mark.parametrize(
    ("body", "said"),
    [({"count": 0}, "count is 0"), ({"count": 2_000_000}, "at most 1000000"), ({"number": 5}, "number is no field")],
)
async def test_a_crowd_that_makes_no_sense_is_refused(wecom: WeCom, body: dict[str, int], said: str) -> None:
    assert said in (await wecom.sim("POST", "customers", body, status=400))["error"]
