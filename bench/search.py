"""Script search: a library of 10,000 and one of 100,000 scripts, questions as staff type them, best five each.

The libraries are the ready-made scripts, varied: each copy has some words of its own, so that common words are as
common as in life and rare ones as rare. Questions are the hundred of tests/data.
"""

import random
import statistics
import sys
import time
from pathlib import Path

import yaml

from bench.machine import ROOT, describe
from scripts_library.loading import EVERYTHING, FOLDER, read_content
from scripts_library.scripts import ScriptText
from scripts_library.search import Entry, Index

TARGET_MS = 25.0
ROUNDS = 3
SIZES = (10_000, 100_000)
OWN_WORDS = 12


def scripts() -> list[ScriptText]:
    """The ready-made ones."""
    return [one for name in EVERYTHING for one in read_content(FOLDER / f"{name}.yaml")]


def library(size: int, seed: int = 1) -> tuple[Index, float]:
    """An index of so many scripts, and the seconds it took to build."""
    originals, pick = scripts(), random.Random(seed)
    characters = sorted({one for script in originals for one in script.body if "\u4e00" <= one <= "\u9fff"})
    index, began = Index(), time.perf_counter()
    for number in range(size):
        one = originals[number % len(originals)]
        added = "".join(pick.choices(characters, k=OWN_WORDS)) if number >= len(originals) else ""
        entry = Entry(number, 1, f"{one.code}-{number}", one.title + added[:3], one.category, one.stage, "")
        index.add(entry, one.keywords, one.body + added)
    return index, time.perf_counter() - began


def measure(size: int, questions: list[str]) -> None:
    """Print how long the questions take in a library of this size."""
    index, seconds = library(size)
    times, own = [], []
    for _ in range(ROUNDS):
        for question in questions:
            began, began_own = time.perf_counter(), time.thread_time()
            index.find(question, 5)
            times.append((time.perf_counter() - began) * 1000)
            own.append((time.thread_time() - began_own) * 1000)
    p50, p95 = statistics.median(times), statistics.quantiles(times, n=100)[94]
    postings = sum(len(one.slots) for one in index.postings.values())
    verdict = f" (target {TARGET_MS:g} ms)" if size == SIZES[0] else ""
    print(
        f"{size:,} scripts: p50 {p50:.1f} ms, p95 {p95:.1f} ms{verdict}, slowest {max(times):.1f} ms; "
        f"of the processor's own time p95 {statistics.quantiles(own, n=100)[94]:.1f} ms; "
        f"index of {postings / 1e6:.1f} million postings built in {seconds:.1f} s"
    )


def main() -> None:
    """Measure and print."""
    describe()
    path = Path(ROOT) / "tests" / "data" / "search_questions.yaml"
    questions = [one["ask"] for one in yaml.safe_load(path.read_text("utf-8"))["questions"]]
    for size in [int(one) for one in sys.argv[1:]] or SIZES:
        measure(size, questions)


if __name__ == "__main__":
    main()
