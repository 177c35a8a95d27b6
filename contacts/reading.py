"""The records of a file in parts, a large file's read and checked by a process of its own.

Reading a record takes as long as storing one, and within one process the two would wait for each other.
"""

import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from contacts.checks import read_entries
from contacts.feeds import Entry
from contacts.records import RECORDS, Problem
from contacts.spreadsheets import BadFile, read_rows

CHUNK = 1_000
"""Records of a part: those of one short transaction, so that callbacks need not wait long behind it."""
LARGE = 1024 * 1024
"""Bytes from which on a process of its own is worth its second to start."""
AHEAD = 1024 * 1024
"""Bytes the reading process may be ahead."""
Part = tuple[list[Entry], list[Problem]]
"""Records that are right by themselves, and what is wrong with others."""


def parts_of(path: Path, kind: str) -> Iterator[Part]:
    """A file's records. Raises `BadFile`, in the middle too."""
    return parts_beside(path, kind) if path.stat().st_size >= LARGE else parts_here(path, kind)


def parts_here(path: Path, kind: str) -> Iterator[Part]:
    """The same, read in this process."""
    rows = read_rows(path, kind)
    while some := list(islice(rows, CHUNK)):
        yield read_entries(kind, some)


def parts_beside(path: Path, kind: str) -> Iterator[Part]:
    """The same, read in another process, which is a few parts ahead of us."""
    command = [sys.executable, "-m", "contacts.reading", kind, str(path)]
    again = RECORDS[kind].again
    with subprocess.Popen(command, stdout=subprocess.PIPE, pipesize=AHEAD) as process:  # noqa: S603 - ourselves
        try:
            while part := pickle.load(process.stdout):  # type: ignore[arg-type]  # noqa: S301 - from our own process
                if isinstance(part, str):
                    raise BadFile(part)
                entries, problems = part
                yield [Entry(place, again(fields), digest) for place, digest, fields in entries], problems
        finally:
            process.kill()  # it has ended, unless we end before it


def main() -> None:
    """`python -m contacts.reading KIND PATH`: each part pickled; at the end None, or the sentence of a `BadFile`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who is interrupted is the one that reads us, and ends us
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    out = sys.stdout.buffer
    try:
        for entries, problems in parts_here(Path(sys.argv[2]), sys.argv[1]):
            rows = [(one.place, one.digest, one.record.__dict__) for one in entries]
            pickle.dump((rows, problems), out, pickle.HIGHEST_PROTOCOL)
            out.flush()
        pickle.dump(None, out)
    except BadFile as error:
        pickle.dump(str(error), out)


if __name__ == "__main__":
    main()
