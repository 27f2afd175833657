"""Which changes of a patient's role are allowed."""

from __future__ import annotations

from ctc_core.types import Role


def refusal(old: Role | None, new: Role, reason: str, *, has_cartridges: bool) -> str | None:
    """Why this change is not allowed, with what to do; None if it is."""
    if old is None:
        return "no such patient in the store. Add the patient first"
    if not reason.strip():
        return "a change of a patient's role needs a reason. Give one"
    if old is Role.TEST:
        return (
            "a test patient never changes role, or results on test patients would mean nothing. Choose another patient"
        )
    if (old, new) == (Role.REVIEW, Role.TRAIN):
        return None
    if has_cartridges:
        return (
            f"cannot change from {old.value} to {new.value} once there are cartridges. Only review to train is possible"
        )
    return None
