"""`frontline import targets`: month targets from a CSV file, in one transaction."""

from datetime import datetime
from pathlib import Path

from sqlmodel import Session

from bot.commands.load import ImportFailed, Rejects
from bot.database import Database
from contacts.ingest import NotTaken, Outcome
from contacts.spreadsheets import BadFile
from kpi.targets import take_targets, target_rows


async def import_targets(database: Database, path: Path, *, now: datetime, only_good: bool) -> str:
    """Import a file of targets; answers what became of it. Raises `ImportFailed`."""
    rejects = Rejects(path)
    try:
        rows = list(target_rows(path))

        def work(session: Session) -> Outcome:
            return take_targets(session, rows, now, partial=only_good)

        outcome = await database.write(work)
        rejects.add(outcome.problems)
    except FileNotFoundError as error:
        raise ImportFailed(f"{path}: there is no such file") from error
    except BadFile as error:
        raise ImportFailed(str(error)) from error
    except NotTaken as refused:
        rejects.add(refused.problems)
        raise ImportFailed(
            f"{len(rejects.lines)} rows of {path.name} are wrong and nothing was stored: see {rejects.path}; "
            "correct them, or import the good ones with --partial"
        ) from refused
    finally:
        rejects.close()
    said = f"{outcome.stored} stored, {outcome.unchanged} unchanged, {len(rejects.lines)} rejected"
    return f"{said}; see {rejects.path}" if rejects.lines else said
