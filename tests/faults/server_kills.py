"""`kill -9` of the real server while a reader labels through it."""

from __future__ import annotations

import random
import time
from pathlib import Path

from websockets.exceptions import WebSocketException

from tests.desk_client import DeskClient
from tests.faults.outcome import Outcome
from tests.server import free_port, serving
from tests.small_store import CARTRIDGE, build_queue_store

LABELS = ("ctc", "non-ctc", "unsure", "artifact")


def run(folder: Path, *, kills: int, seed: int = 0, seconds: float = 0.0) -> list[Outcome]:
    """Start the server, label, kill it in the middle of a save, and again; the reader keeps its outbox.

    seconds: stop killing after so long; 0: never.
    """
    rng, started, done = random.Random(seed), time.monotonic(), 0
    data, port = build_queue_store(folder / "data", n_cells=60), free_port()
    reader, outcome = DeskClient(f"http://127.0.0.1:{port}", "queue"), Outcome("kill -9 of the server while labelling")
    while done < kills and not (seconds and time.monotonic() - started > seconds):
        with serving(data, port=port, kill=True):
            _label_on(reader, rng)
        done += 1
        if done % 10 == 0:
            outcome.look_at(data, reader.acknowledged)
    with serving(data, port=port), reader:  # the next day: what waited is saved
        reader.wait_for_gallery()
        _settle(reader)
    outcome.look_at(data, reader.acknowledged)
    outcome.faults, outcome.acknowledged = done, len(reader.acknowledged)
    outcome.other += [str(refused) for refused in reader.refused.values()]
    outcome.other += [f"never acknowledged: {id_}" for id_ in reader.waiting]
    return [outcome]


def _label_on(reader: DeskClient, rng: random.Random) -> None:
    """Some answered decisions, then one that is on its way when the server dies; how far it comes is left to chance."""
    with reader:
        reader.wait_for_gallery()
        for _ in range(rng.randint(1, 4)):
            _decide(reader, rng, rng.randint(1, 6))
            _settle(reader)
        _decide(reader, rng, rng.randint(1, 20))
        pause = rng.expovariate(1 / 0.03)
        try:
            while pause > 0:
                before = time.monotonic()
                reader.receive(pause)
                pause -= time.monotonic() - before
        except (TimeoutError, WebSocketException):
            return


def _decide(reader: DeskClient, rng: random.Random, count: int) -> None:
    for _ in range(count):
        row = rng.choice(reader.rows)
        reader.decide(row["candidate_id"], CARTRIDGE, rng.choice(LABELS))
    reader.flush()


def _settle(reader: DeskClient) -> None:
    """Until all is acknowledged; what is not answered in three seconds is sent again."""
    deadline = time.monotonic() + 240
    while reader.waiting and time.monotonic() < deadline:
        reader.flush()
        reader.idle(3.0, done=lambda: not reader.waiting)
