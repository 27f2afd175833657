"""Sentences that every page says the same way."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from ctc_core.errors import CTCError
from ctc_core.intervals import Proportion

log = logging.getLogger(__name__)

FOOTER = "For research use only. Not for use in diagnostic procedures."


@contextmanager
def explained() -> Iterator[None]:
    """Show one of our errors as its sentence and stop; the log gets the details. Also works as a decorator."""
    try:
        yield
    except CTCError as error:
        log.exception("shown to the user")
        st.error(plain(str(error)), icon=":material/error:")  # it may repeat a name or a file from outside
        st.stop()


def empty_state(title: str, what_to_do: str) -> None:
    """Say in place of a page's content why there is none and what to do next."""
    with st.container(border=True):
        st.subheader(title)
        st.text(what_to_do)


def plain(text: str) -> str:
    """Text from outside, with everything that Markdown would interpret escaped."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!:$~<>|^=])", r"\\\1", text)


def interval(proportion: Proportion | None) -> tuple[str, str]:
    """A proportion as (estimate, 95 % interval with n)."""
    if proportion is None:
        return "–", "nothing decided yet"
    p = proportion
    return f"{p.estimate:.2f}", f"95 % CI {p.low:.2f} to {p.high:.2f}, n = {p.n}"


def duration(seconds: float) -> str:
    """Time left in the coarseness a person needs."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    return f"about {round(seconds / 60)} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"
