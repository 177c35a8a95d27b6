"""The database's schema: Alembic migrations, run on whichever connection they are given."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from bot.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, in code: there is nothing in it to edit."""
    made = Config()
    made.set_main_option("script_location", str(MIGRATIONS))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def head() -> str | None:
    """The newest revision."""
    return ScriptDirectory.from_config(config()).get_current_head()


async def current(database: Database) -> str | None:
    """The revision a database is at; None when it is empty."""
    return await asyncio.to_thread(revision, database)


def revision(database: Database) -> str | None:
    """The revision, asked in the thread at hand."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


async def migrate(database: Database) -> bool:
    """Bring a database to the newest revision; False when it was there already."""
    if await current(database) == head():
        return False

    await asyncio.to_thread(upgrade, database)
    return True


def upgrade(database: Database) -> None:
    """Run what is missing, in one transaction."""
    with database.engine.execution_options(writes=True).begin() as connection:
        command.upgrade(config(connection), "head")
