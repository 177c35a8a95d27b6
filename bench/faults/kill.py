"""Kill the bot in bursts, more often than CI has time for: `python -m bench.faults.kill [ROUNDS] [SEED]`.

The rounds are those of `tests/stories/test_restart.py`, on SQLite and PostgreSQL.
"""

import os
import subprocess
import sys

from bench.machine import ROOT, describe

ROUNDS = 100
MINUTES_A_ROUND = 0.5


def main() -> None:
    """Run the story with so many rounds; its result is ours."""
    describe()
    rounds = sys.argv[1] if len(sys.argv) > 1 else str(ROUNDS)
    environment = os.environ | {"FRONTLINE_TEST_ROUNDS": rounds}
    if len(sys.argv) > 2:
        environment["FRONTLINE_TEST_SEED"] = sys.argv[2]
    seconds = str(int(int(rounds) * MINUTES_A_ROUND * 60))
    command = [sys.executable, "-m", "pytest", "tests/stories/test_restart.py", "--timeout", seconds, "--durations=0"]
    sys.exit(subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
