"""A browser of a reader without the browser: Streamlit's websocket protocol, and an outbox as outbox.js keeps it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import connect


class DeskClient:
    """A tab with one page that shows a gallery; `with` connects it, also again.

    Raises:
        websockets.ConnectionClosed, OSError: the server is gone; the decisions stay in `waiting`.
    """

    def __init__(self, address: str, page: str = "candidates") -> None:
        self.waiting: dict[str, dict[str, Any]] = {}
        """Decisions that are not acknowledged, by id, in the order in which they were made."""
        self.acknowledged: set[str] = set()
        self.refused: dict[str, Any] = {}
        self.trouble = ""
        self.rows: list[dict[str, Any]] = []
        self._page, self._script, self._gallery, self._fragment = page, "", "", ""
        self._ticks: dict[str, tuple[float, float]] = {}
        self._url = f"{address.replace('http', 'ws', 1)}/_stcore/stream"

    def __enter__(self) -> Self:
        self.rows, self._script, self._gallery, self._fragment, self._ticks = [], "", "", "", {}
        self._connection = connect(
            self._url, subprotocols=["streamlit"], max_size=None, compression=None, open_timeout=120
        )
        self._socket = self._connection.__enter__()
        self._rerun()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.__exit__(kind, error, trace)

    def wait_for_gallery(self, timeout: float = 240.0) -> None:
        """Until the page has sent its cells."""
        while not self.rows:
            self.receive(timeout)

    def decide(self, candidate_id: str, cartridge_id: str, label: str | None) -> str:
        """Put a decision into the outbox; `flush` sends it."""
        id_ = uuid.uuid4().hex
        named = {"candidate_id": candidate_id, "cartridge_id": cartridge_id, "label": label, "comment": ""}
        named |= {"why": "decided again"}  # the browser asks where it changes an earlier decision
        self.waiting[id_] = {"id": id_, **named}
        return id_

    def flush(self) -> None:
        """Send all that waits, as one batch."""
        if self.waiting:
            event = {"event": "decisions", "value": list(self.waiting.values())[:200]}
            trigger = WidgetState(id=_make_trigger_id(self._gallery, "events"), json_trigger_value=json.dumps([event]))
            self._rerun(WidgetState(id=self._gallery, json_value="{}"), trigger)

    def receive(self, timeout: float) -> None:
        """Take in the next message of the server. Parts of the page that rerun by themselves are asked for in time.

        Raises:
            TimeoutError: there was none.
        """
        until = time.monotonic() + timeout
        while (due := min([until, *(at for at, _ in self._ticks.values())])) < until:
            try:
                return self._take(self._socket.recv(max(0.0, due - time.monotonic())))  # type: ignore[arg-type]
            except TimeoutError:
                self._tick()
        self._take(self._socket.recv(max(0.0, until - time.monotonic())))  # type: ignore[arg-type]

    def _tick(self) -> None:
        now = time.monotonic()
        for fragment, (at, every) in self._ticks.items():
            if at <= now:
                self._ticks[fragment] = now + every, every
                self._rerun(fragment=fragment)

    def _take(self, received: bytes) -> None:
        message = ForwardMsg.FromString(received)
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._script = message.new_session.page_script_hash
        elif kind == "auto_rerun":
            every = message.auto_rerun.interval
            self._ticks[message.auto_rerun.fragment_id] = time.monotonic() + every, every
        elif kind == "delta" and message.delta.new_element.bidi_component.component_name.endswith("ctc_gallery"):
            self._take_in(message.delta)

    def idle(self, seconds: float, done: Callable[[], bool] = lambda: False) -> None:
        """Take in whatever comes for so long, or until it is done."""
        until = time.monotonic() + seconds
        while not done() and (left := until - time.monotonic()) > 0:
            try:
                self.receive(left)
            except TimeoutError:
                return

    def _take_in(self, delta: Any) -> None:
        component = delta.new_element.bidi_component
        data = json.loads(component.mixed.json)
        self._gallery, self._fragment = component.id, delta.fragment_id
        table = component.mixed.arrow_blobs[data["rows"]["__streamlit_arrow_ref__"]].data
        self.rows = pa.ipc.open_stream(table).read_all().to_pylist()
        self.refused |= data["refused"]
        self.trouble = data["trouble"]
        for id_ in [*data["acknowledged"], *data["refused"]]:
            if self.waiting.pop(id_, None) is not None:
                self.acknowledged |= {id_} - set(data["refused"])

    def _rerun(self, *states: WidgetState, fragment: str | None = None) -> None:
        fragment = self._fragment if fragment is None else fragment
        state = ClientState(page_name=self._page, page_script_hash=self._script, fragment_id=fragment)
        state.is_auto_rerun = fragment in self._ticks
        state.widget_states.widgets.extend(states)
        self._socket.send(BackMsg(rerun_script=state).SerializeToString())
