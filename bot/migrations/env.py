"""Alembic's environment: runs the migrations on the connection `bot.schema` hands over."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import JSON
from sqlmodel import AutoString, SQLModel

from assistant import models as assistant_models
from bot import gateway, jobs, tokens
from bot.database import Typed, UtcTime
from contacts import channels, facts, offers, tags, unasked
from contacts import models as contacts_models
from kpi import models as kpi_models
from scripts_library import media
from scripts_library import models as scripts_models
from sop import lookup, mass_sends, packs, plan, silence, sops, todo_log
from sop import models as sop_models

TABLES = (
    jobs.Job, gateway.Call, tokens.Token, contacts_models.Staff, channels.Channel, facts.Order, offers.Offer, tags.Tag,
    media.Media, scripts_models.Script, sop_models.WelcomeFlow, sops.Sop, lookup.LookupTable, plan.Planned,
    packs.InstalledPack, mass_sends.MassSend, kpi_models.OrderCredit,
    assistant_models.Conversation, unasked.Unasked, silence.MorningCard, todo_log.TodoChange,
)  # fmt: skip
"""One table of each module with tables, so that all are imported."""

JSON_TYPE = "sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')"


def plain(kind: str, item: Any, _api: Any) -> str | Literal[False]:
    """Write columns with plain types: a migration must not change when our classes do."""
    if kind != "type":
        return False
    if isinstance(item, Typed | JSON):
        return JSON_TYPE
    if isinstance(item, UtcTime):
        return "sa.DateTime(timezone=True)"
    return "sa.String()" if isinstance(item, AutoString) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    render_item=plain,
)
with context.begin_transaction():
    context.run_migrations()
