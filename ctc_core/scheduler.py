"""The way to a dask scheduler: on this machine, through TLS, or in a network that is closed."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ctc_core.errors import CTCError, SettingsError

if TYPE_CHECKING:
    from distributed import Client

CONNECT = 20.0
"""Seconds that the scheduler has to answer."""
CERTIFICATES = (
    "The scheduler, the workers and the desk need certificates of one authority: DASK_DISTRIBUTED__COMM__TLS__CA_FILE, "
    "and __SCHEDULER__, __WORKER__ and __CLIENT__ with __CERT and __KEY instead of __CA_FILE."
)


@contextmanager
def connected(address: str, *, in_clear_allowed: bool) -> Iterator[Client]:
    """Whoever hands tasks to the scheduler at `address`.

    Raises:
        SettingsError: none answers, its certificates do not fit, or it is elsewhere and not behind TLS.
        CTCError: the connection was lost later.
    """
    try:
        from distributed import Client
        from distributed.client import CancelledError
        from distributed.comm import CommClosedError
    except ImportError as error:
        message = "A cluster needs the package distributed. Install it: pip install --requirement requirements.txt"
        raise SettingsError(message) from error
    if in_clear(address) and not in_clear_allowed:
        raise SettingsError(_IN_CLEAR.format(address))
    try:
        client = Client(address, timeout=CONNECT, set_as_default=False)
    except (TypeError, RuntimeError, FileNotFoundError) as error:  # what its settings for TLS raise
        raise SettingsError(f"{address}: {_first_line(error)}. {CERTIFICATES}") from error
    except (OSError, ValueError) as error:
        message = (
            f"{address}: no scheduler answers there ({_first_line(error)}). "
            "Start one with `python -m dask scheduler`; its first lines name its address."
        )
        raise SettingsError(message) from error
    with client:
        try:
            yield client
        except (CancelledError, CommClosedError) as error:
            raise gone(address) from error


def gone(address: str) -> CTCError:
    """The connection was lost: the scheduler has ended, or the network between."""
    message = (
        f"{address}: the scheduler is gone. Finished frames are kept; start it and the workers, which end without one, "
        "and try again."
    )
    return CTCError(message)


_IN_CLEAR = (
    "{}: another machine, without TLS: whoever reaches that port can run code on all machines of the cluster and read "
    f"what they read. Use tls://. {CERTIFICATES} In a network that only these machines reach, set "
    "CTC_CLUSTER_IN_CLEAR=1 instead."
)


def in_clear(address: str) -> bool:
    """Whether others on the network could listen, or send: no TLS, and not by this machine alone."""
    scheme, _, rest = address.rpartition("://")
    if scheme in ("tls", "wss", "inproc"):
        return False
    host = urlsplit(f"//{rest}").hostname or ""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
