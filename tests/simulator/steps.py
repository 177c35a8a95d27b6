"""What the tests of the customers' half do again and again."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.simulator.conftest import Json, Simulator

CHEN, ZHAO = "wmChen", "wmZhao"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


async def add(simulator: Simulator, userid: str = "lin", external_userid: str = CHEN, **more: Any) -> Json:
    """A customer adds a member of staff."""
    return await simulator.sim("POST", "friend-adds", {"userid": userid, "external_userid": external_userid, **more})


async def make_tags(simulator: Simulator, group: str, *names: str) -> list[str]:
    """Tags made through the API; their ids in the order of the names."""
    made = await simulator.api(
        "externalcontact/add_corp_tag", {"group_name": group, "tag": [{"name": name} for name in names]}
    )
    ids = {tag["name"]: tag["id"] for tag in made["tag_group"]["tag"]}
    return [ids[name] for name in names]


async def errcode(simulator: Simulator, path: str, body: Any = None, **params: Any) -> int:
    """The errcode an API answers."""
    return int((await simulator.api(path, body, **params))["errcode"])


def later(simulator: Simulator, **span: float) -> None:
    """Jump the simulator's clock forward."""
    corp = simulator.corp
    corp.clock.jump(corp.clock.now() + timedelta(**span))


def midnight(at: int) -> int:
    """The midnight in China before a time."""
    china = datetime.fromtimestamp(at, UTC) + timedelta(hours=8)
    return int((china.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(hours=8)).timestamp())
