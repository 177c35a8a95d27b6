"""The ledger of welcomes, as a story reads it."""

from sqlmodel import col, select

from sop.models import Welcome
from tests.conftest import RunningBot


async def ledger(bot: RunningBot) -> list[Welcome]:
    """Every row, oldest first."""
    rows = select(Welcome).order_by(col(Welcome.id))
    return await bot.database.read(lambda session: list(session.exec(rows).all()))
