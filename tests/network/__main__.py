"""Ingests over a real network: `python -m tests.network [NAME ...]`, as root; prints a table, in some minutes.

Each machine is a network namespace of its own (`hosts.py`). They speak TLS and run README's commands with the networks
that ship. Whatever is cut off in the middle, the bundle must be that of a single machine, byte by byte.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ctc_core.settings import ROOT
from ctc_core.store import Store, verify
from tests.network.hosts import why_not
from tests.network.lab import RELEASE, Ingest, Lab, contents

FRAMES, BEGUN = 12, 4
"""Of the archive; finished when something is cut off."""


def nothing(lab: Lab) -> str:
    """As a lab works every day."""
    lab.ingest("nothing").succeed()
    return ""


def worker_killed(lab: Lab) -> str:
    """One of two workers loses its power."""
    ingest = lab.ingest("worker_killed")
    ingest.wait_for_frames(BEGUN)
    lab.kill("ben")
    ingest.succeed()
    lab.start("ben")
    return ""


def worker_cut_off(lab: Lab) -> str:
    """The cable of one of two workers is pulled, and plugged in again later."""
    ingest = lab.ingest("worker_cut_off")
    ingest.wait_for_frames(BEGUN)
    lab.network.pull("ben")
    ingest.succeed()
    lab.network.plug("ben")
    return ""


def scheduler_killed(lab: Lab) -> str:
    """The scheduler loses its power."""
    return _without_scheduler(lab, "scheduler_killed", lambda: lab.kill("scheduler"), lambda: lab.start("scheduler"))


def scheduler_cut_off(lab: Lab) -> str:
    """The scheduler's cable is pulled."""
    pull, plug = (lambda: lab.network.pull("scheduler")), (lambda: lab.network.plug("scheduler"))
    return _without_scheduler(lab, "scheduler_cut_off", pull, plug)


def _without_scheduler(lab: Lab, data: str, lose: Callable[[], None], mend: Callable[[], None]) -> str:
    """The command says so."""
    ingest = lab.ingest(data)
    ingest.wait_for_frames(BEGUN)
    lose()
    code, said = ingest.end()
    assert code == 1 and ": the scheduler is gone. Finished frames are kept; " in said, said
    mend()
    return f"{_again(lab, ingest)} “{said}”"


def desk_killed(lab: Lab) -> str:
    """Whoever has the job loses its power."""
    ingest = lab.ingest("desk_killed")
    ingest.wait_for_frames(BEGUN)
    lab.kill("desk")
    return _again(lab, ingest)


def _again(lab: Lab, ingest: Ingest) -> str:
    """Nothing is in the store; the same command again goes on from the finished frames."""
    kept = ingest.finished()
    with Store.open(ingest.data) as store:
        assert store.cartridges().empty and verify(store).ok
    again = lab.ingest(ingest.data.name)
    again.succeed()
    assert again.began_with() >= kept >= BEGUN
    return f"{kept} of {FRAMES} frames were kept."


CASES: dict[str, Callable[[Lab], str]] = {
    case.__name__: case
    for case in (nothing, worker_killed, worker_cut_off, scheduler_killed, scheduler_cut_off, desk_killed)
}


def main() -> None:
    """Exit code 1 where a case did not end as it must, 0 where this machine cannot have hosts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--folder", type=Path, help="where logs and data folders stay; default: nowhere")
    given = parser.parse_args()
    if reason := why_not():
        print(f"Skipped: {reason}.")
        return
    failed = False
    with tempfile.TemporaryDirectory(prefix="network-") as scratch:
        folder = given.folder or Path(scratch)
        archive, expected = _made_here(folder)
        print("| cut off | seconds | as on one machine | |\n|---|---:|---|---|", flush=True)
        with Lab.built(folder, archive) as lab:
            for case in given.names or CASES:
                began = time.monotonic()
                said = CASES[case](lab)
                same = contents(folder / case) == expected and verify(folder / case).ok
                failed |= not same
                print(f"| {case} | {time.monotonic() - began:.0f} | {'yes' if same else 'NO'} | {said} |", flush=True)
    sys.exit(failed)


def _made_here(folder: Path) -> tuple[Path, dict[str, str]]:
    """An archive, and what one machine makes of it."""
    for name in ("ctc_core", "models"):
        shutil.copytree(ROOT / name, folder / RELEASE / name)
    desk = [sys.executable, "-m", "ctc_core", "--data", str(folder / "here")]
    simulate = ["simulate", str(folder / "inbox"), "--cartridges", "1", "--frames", str(FRAMES), "--seed", "5"]
    given = {"cwd": folder / RELEASE, "check": True, "capture_output": True}
    subprocess.run([*desk, *simulate], **given)
    archive = next(path for path in (folder / "inbox").iterdir() if path.name != "truth")
    subprocess.run([*desk, "ingest", str(archive), "--patient", "P-1", "--role", "review"], **given)
    return archive, contents(folder / "here")


if __name__ == "__main__":
    main()
