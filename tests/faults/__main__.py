"""The long form: `python -m tests.faults [NAME ...] [--kills N] [--seconds N] [--flips N] [--cuts N] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tests.faults import disk_full, flips, ingest_crashes, power, reopening, server_kills, two_owners
from tests.faults.outcome import Outcome, table


def suites(given: argparse.Namespace) -> dict[str, Callable[[Path], list[Outcome]]]:
    """What can be run, by name."""
    seed = given.seed
    return {
        "flips": lambda folder: flips.run(folder, flips=given.flips, seed=seed),
        "power": lambda folder: power.run(folder, cuts=given.cuts, seed=seed),
        "disk": lambda folder: disk_full.run(folder, times=given.full, seed=seed),
        "owners": lambda folder: two_owners.run(folder, processes=4, turns=10),
        "ingest": lambda folder: ingest_crashes.run(folder),
        "reopening": lambda folder: reopening.run(folder, labels=20_000),
        "server": lambda folder: server_kills.run(folder, kills=given.kills, seed=seed, seconds=given.seconds),
    }


def main() -> None:
    """Run, show each result as it comes, and all of them in one table at the end; exit code 1 if anything was lost."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME")
    for name, number in {"kills": 200, "flips": 500, "cuts": 200, "full": 10, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument(
        "--seconds", type=float, default=0, help="begin no more server kills after so long; 0: never stop"
    )
    parser.add_argument("--folder", type=Path, help="where the data folders are made; default: the system's own")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    known, outcomes = suites(given), []
    for name in given.names or known:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="faults-", dir=given.folder) as folder:
            outcomes += (found := known[name](Path(folder)))
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
        for outcome in found:
            print(*outcome.other, sep="\n", end="", file=sys.stderr)
        print(table(found), file=sys.stderr, flush=True)
    print(table(outcomes))
    if given.json:
        given.json.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))
    sys.exit(0 if all(outcome.clean for outcome in outcomes) else 1)


if __name__ == "__main__":
    main()
