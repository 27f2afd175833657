"""What a browser sends of a gallery, saved: decisions and words beside them, and what the browser is told of each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ctc_core.enumeration import EVENT_PREFIX
from ctc_core.errors import CTCError, DecisionRefused
from ctc_core.store.tags import Tag, Tagging
from ctc_core.types import Decision, Label
from ctc_core.ui.session import User

Save = Callable[[Sequence[Decision]], Sequence[str]]
"""Saves decisions and returns the ids that were read back from the store afterwards."""
SaveTags = Callable[[Sequence[Tagging]], Sequence[str]]
"""The same of words beside a label."""
T = TypeVar("T", Decision, Tagging)

log = logging.getLogger(__name__)

_KEPT_REPLIES = 500
"""More than one batch of the browser (outbox.js)."""


@dataclass
class Replies:
    """What one browser tab has been told about its decisions."""

    saved: dict[str, None] = field(default_factory=dict)
    """Ids, oldest first."""
    refused: dict[str, dict[str, str]] = field(default_factory=dict)
    """id -> candidate_id and reason; such a decision is not sent again."""

    trouble: str = ""
    """Why the last batch could not be saved."""

    def add(self, saved: Sequence[str]) -> None:
        """Remember ids to acknowledge; the oldest are forgotten, an id sent again is answered again."""
        self.saved |= dict.fromkeys(saved)
        for id_ in list(self.saved)[:-_KEPT_REPLIES]:
            del self.saved[id_]

    def refuse(self, id_: str, candidate_id: str, reason: str) -> None:
        """Note a decision that cannot be saved."""
        self.refused[id_] = {"candidate_id": candidate_id, "reason": reason}

    def forgive(self, ids: Sequence[str]) -> None:
        """No longer show refusals of which the browser knows: the person has decided again."""
        for id_ in ids:
            del self.refused[id_]


def save_batch(
    batch: Sequence[dict[str, Any]], user: User, save: Save, replies: Replies, save_tags: SaveTags | None = None
) -> None:
    """Save what a browser sent and note in `replies` what became of each decision.

    A decision that can never be saved (an unknown cell, a label that does not exist) is refused with its reason and
    does not hold up the others. Where saving itself fails, nothing is acknowledged and the browser sends it again.
    """
    refused_before = dict(replies.refused)
    decisions: list[Decision] = []
    taggings: list[Tagging] = []
    for entry in batch:
        try:
            if "tags" in entry:
                taggings.append(tagging_from(entry, user))
            else:
                decisions.append(decision_from(entry, user))
        except (KeyError, TypeError, ValueError, AttributeError):
            replies.refuse(str(entry.get("id")), str(entry.get("candidate_id")), "the browser sent no valid decision")
    _save_all(decisions, save, replies)
    if taggings and save_tags is not None:
        _save_all(taggings, save_tags, replies)
    decided_again = {_about(one) for one in decisions if one.id in replies.saved}
    replies.forgive([id_ for id_, told in refused_before.items() if told["candidate_id"] in decided_again])


def _about(one: Decision | Tagging) -> str:
    """What the browser calls the cell or event."""
    return one.cell_id or f"{EVENT_PREFIX}{one.event_rid}"


def _save_all(sent: Sequence[T], save: Callable[[Sequence[T]], Sequence[str]], replies: Replies) -> None:
    """All together; where that fails, one by one."""
    try:
        replies.add(save(sent))
        replies.trouble = ""
    except CTCError:
        for one in sent:
            _save_one(one, save, replies)


def _save_one(one: T, save: Callable[[Sequence[T]], Sequence[str]], replies: Replies) -> None:
    try:
        replies.add(save([one]))
        replies.trouble = ""
    except DecisionRefused as error:  # any other error may come after the journal has it: sent again until all is well
        replies.refuse(one.id, _about(one), str(error))
    except CTCError as error:
        log.exception("decision %s was not saved", one.id)
        replies.trouble = str(error)


def tagging_from(entry: dict[str, Any], user: User) -> Tagging:
    """The browser's words as tags of the signed-in person; raises KeyError, TypeError or ValueError."""
    cell_id, event = _target(entry["candidate_id"])
    tags = tuple(Tag(word) for word in entry["tags"])
    return Tagging(entry["id"], entry["cartridge_id"], cell_id, event, tags, user.name, user.session)


def decision_from(entry: dict[str, Any], user: User) -> Decision:
    """The browser's words as a decision of the signed-in person; raises KeyError, TypeError or ValueError."""
    cell_id, event = _target(entry["candidate_id"])
    return Decision(
        id=entry["id"],
        cartridge_id=entry["cartridge_id"],
        cell_id=cell_id,
        event_rid=event,
        label=None if entry["label"] is None else Label(entry["label"]),
        reader=user.name,
        session=user.session,
        reason=(entry.get("comment") or "").strip(),
        seen=entry.get("seen"),
        why=(entry.get("why") or "").strip(),
        after_s=None if entry.get("after_s") is None else float(entry["after_s"]),
    )


def _target(candidate: str) -> tuple[str | None, str | None]:
    """(cell_id, event_rid), one of them None."""
    if candidate.startswith(EVENT_PREFIX):
        return None, candidate.removeprefix(EVENT_PREFIX)
    return candidate, None
