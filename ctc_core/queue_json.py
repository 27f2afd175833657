"""The queue's messages as JSON. huey would write pickles, and reading one runs whatever its author wrote into it."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from huey.registry import Message
from huey.serializer import Serializer


class JsonSerializer(Serializer):  # type: ignore[misc]
    """Messages of tasks with plain arguments, which is all that the queue is used for."""

    def _serialize(self, data: Any) -> bytes:
        return json.dumps(data).encode()

    def _deserialize(self, data: bytes) -> Message:
        try:
            return Message(*json.loads(data))
        except (ValueError, TypeError) as error:
            message = "not a message of ours"
            raise sqlite3.DatabaseError(message) from error  # as any other damage: the queue is set aside
