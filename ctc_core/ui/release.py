"""Releasing a reviewed patient's decisions to training, at the foot of the review page."""

from __future__ import annotations

import streamlit as st

from ctc_core.accounts import AccountRole
from ctc_core.release import release, standing
from ctc_core.store import Store
from ctc_core.types import Role
from ctc_core.ui.messages import explained, plain
from ctc_core.ui.session import User

WHAT = (
    "After sign-off an expert may let this patient's decisions train the classifier, so that the next similar draw is "
    "read faster. The patient is a training patient from then on, this cannot be undone, and the journal keeps who did "
    "it and why. The next fit or relabelling round learns from it."
)


def show_release(store: Store, pseudonym: str, user: User) -> None:
    """What releasing means, whether it is possible, and the button; nothing for patients who are not reviewed."""
    now = standing(store, pseudonym)
    if now.role is not Role.REVIEW:
        return
    with st.expander("Release to training", icon=":material/school:"), explained():
        st.caption(WHAT)
        if now.why_not or not user.may(AccountRole.EXPERT):
            st.text(now.why_not or "Only an expert can release a patient. Ask one of your lab.")
            return
        key = f"candidates_release_{pseudonym}"  # a click that was meant for another patient is nobody's
        with st.form(key, border=False):
            reason = st.text_input("Reason", max_chars=500, key=f"{key}_reason")
            label = f"Release what was decided of {plain(pseudonym)} ({now.decided})"
            sent = st.form_submit_button(label, icon=":material/school:", key=f"{key}_send")
        if sent:
            release(store, pseudonym, reader=user.name, session=user.session, reason=reason)
            st.rerun()
