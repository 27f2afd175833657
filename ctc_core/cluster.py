"""Frames computed on several machines: blocks of them are tasks of a dask.distributed cluster.

Whoever has the job hands out blocks; the workers of the cluster put parts into the job's folder, which all machines see
under one path; the parts become a bundle here, as if this process had made them. A worker that dies costs the frames
that it had not finished: they go to another one.

Functions and their arguments travel between the machines as dask sends them, which is as safe as the network is:
whoever reaches the scheduler can run code on all of them (README: a network that only these machines reach, or TLS).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ctc_core.blocks import Work, compute_block
from ctc_core.cartridge import Cartridge
from ctc_core.errors import CartridgeError, CTCError, SettingsError
from ctc_core.frames import Counts
from ctc_core.parts import Parts, inputs_of
from ctc_core.settings import Settings

if TYPE_CHECKING:
    from distributed import Client, Future

BLOCK = 8
"""Frames of a task: a few seconds on one machine."""
RETRIES = 2
"""So many times a block is computed again after an error that is none of ours: a disk out of reach, say."""
CONNECT = 20.0
"""Seconds that the scheduler has to answer."""
LOOK = 0.5
"""Seconds between two looks at what is finished."""
ARRIVAL = 120.0
"""Seconds until a file written by one machine is seen by another: network disks remember what was not there."""


class Cluster:
    """The workers of the scheduler at an address."""

    def __init__(self, address: str, settings: Settings) -> None:
        """`settings`: which networks, and where those lie that do not ship with the desk."""
        self.address, self.settings = address, settings

    @classmethod
    def of(cls, settings: Settings) -> Cluster | None:
        """The one that the settings name, if they do."""
        return cls(settings.scheduler, settings) if settings.scheduler else None

    @cached_property
    def segmenter_id(self) -> str:
        from ctc_core.segment.folders import locate

        return locate(self.settings.segmenter).id

    @cached_property
    def encoder_id(self) -> str:
        from ctc_core.models import model_folder, model_id

        return model_id(model_folder(self.settings.encoder, self.settings.data_dir))

    def frames(self, cartridge: Cartridge, parts: Parts, numbers: Sequence[int]) -> Counts:
        """As `ComputesFrames.frames`: some twice a second.

        Raises:
            SettingsError: no scheduler answers, or a worker is not fit for the work; says what to do.
            CTCError: a block, or the scheduler, was lost for good. Finished frames are kept.
        """
        if not numbers:
            return
        work = self._work(cartridge, parts)
        with self._client() as client:
            blocks = [numbers[k : k + BLOCK] for k in range(0, len(numbers), BLOCK)]
            futures = [client.submit(compute_block, work, block, pure=False, retries=RETRIES) for block in blocks]
            try:
                yield from self._follow(client, futures, cartridge, parts, set(numbers))
            finally:
                parts.stop()
                client.cancel(futures)

    def _work(self, cartridge: Cartridge, parts: Parts) -> Work:
        from ctc_core.store import code_version

        return Work(
            archive=cartridge.path.resolve(),
            parts=parts.folder.resolve(),
            inputs=inputs_of(cartridge, self.segmenter_id, self.encoder_id),
            segmenter=self.settings.segmenter,
            encoder=self.settings.encoder,
            runtime=self.settings.runtime,
            models=self.settings.data_dir.resolve(),
            code=code_version(),
        )

    @contextmanager
    def _client(self) -> Iterator[Client]:
        try:
            from distributed import Client
        except ImportError as error:
            message = "A cluster needs the package distributed. Install it: pip install --requirement requirements.txt"
            raise SettingsError(message) from error
        try:
            client = Client(self.address, timeout=CONNECT, set_as_default=False)
        except (OSError, ValueError) as error:
            message = (
                f"{self.address}: no scheduler answers there ({str(error).splitlines()[0]}). "
                "Start one with `python -m dask scheduler`; its first lines name its address."
            )
            raise SettingsError(message) from error
        with client:
            yield client

    def _follow(
        self, client: Client, futures: Sequence[Future], cartridge: Cartridge, parts: Parts, wanted: set[int]
    ) -> Counts:
        """Until all wanted frames are there."""
        waiting, overwhelmed, until = list(futures), 0, float("inf")
        while True:
            overwhelmed += sum(self._result(future) for future in waiting if future.status != "pending")
            waiting = [future for future in waiting if future.status == "pending"]
            _refuse_overwhelming(cartridge, overwhelmed)
            missing = wanted - parts.finished()
            yield len(wanted - missing), self._note(client)
            if not (waiting or missing):
                return
            if not waiting:
                until = _check_arrival(parts, missing, until)
            time.sleep(LOOK)

    def _result(self, future: Future) -> int:
        """Of a block that has ended: how many frames overwhelmed what reads them."""
        from distributed.scheduler import KilledWorker

        if future.status in ("cancelled", "lost"):
            raise CTCError(f"{self.address}: the scheduler is gone. Finished frames are kept; start it and try again.")
        error: Any = future.exception() if future.status == "error" else future.result()
        if isinstance(error, KilledWorker):
            message = (
                f"A block of frames ended {error.allowed_failures + 1} workers, the last {error.last_worker.address}. "
                "Their log says why, too little memory perhaps. Finished frames are kept; try again."
            )
            raise CTCError(message)
        if isinstance(error, BaseException):
            raise error
        return int(error)

    def _note(self, client: Client) -> str:
        workers = len(client.scheduler_info()["workers"])
        if not workers:
            return "The cluster has no workers; waiting for one"
        return f"Computing on {workers} workers" if workers > 1 else "Computing on 1 worker"


def _check_arrival(parts: Parts, missing: set[int], until: float) -> float:
    """When frames that were computed have to be seen here at the latest."""
    if time.monotonic() > until:
        raise CTCError(
            f"Frames {sorted(missing)} were computed, but not into {parts.folder}. Is it the same disk there?"
        )
    return min(until, time.monotonic() + ARRIVAL)


def _refuse_overwhelming(cartridge: Cartridge, frames: int) -> None:
    """As the reader does that meets all of them. One that was counted by two workers counts twice."""
    from ctc_core.cartridge.guarded import COPY, Limits

    if frames >= Limits().frames:
        raise CartridgeError(cartridge.path, f"{frames} of its frames could not be read safely", COPY)
