"""Before a round: why there is nothing to read yet, who else reads, and the form that begins one."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from ctc_core.errors import CTCError
from ctc_core.map_view import cluster_name
from ctc_core.relabel.registry import STRATEGIES, recommended
from ctc_core.rounds import left_to_ask, start_round
from ctc_core.store import Round, Store
from ctc_core.store.relabelling import ABANDONED_AFTER
from ctc_core.types import Role
from ctc_core.ui.desk import Desk
from ctc_core.ui.messages import empty_state, plain
from ctc_core.ui.session import User

CELLS, MOST_CELLS = 100, 1000
"""Cells of a round: usual, and at most (the paper's gallery)."""
MINUTES = 5
"""The paper's time for one round."""
SHARES = (0, 5, 10, 20, 30, 50)
"""Percent of a round that may be second readings."""
EVERYWHERE = "all"
INGEST_PAGE = "pages/cartridges/ingest.py"
FIRST_ROUND = (
    "There is no classifier yet. A first round asks for typical cells of every kind; finishing it fits one as soon as "
    "there are enough CTCs and other cells among the labels."
)


# -------------------------------------------------------------------------------------------------------- nothing yet
def has_training_cells(store: Store) -> bool:
    """Whether there is anything to ask for; where not, the page says what to do."""
    cartridges = store.cartridges()
    if cartridges.empty:
        empty_state(
            "No cartridge has been read yet",
            "Rounds ask about cells of training patients. Put a CellSearch archive into the inbox folder, start it on "
            "the Ingest page, and give its patient the role Train.",
        )
    elif not (cartridges.role == Role.TRAIN.value).any():
        empty_state(
            "There is no training patient yet",
            "The classifier learns only from patients whose role is Train, so a round asks about their cells only. "
            "Read a cartridge on the Ingest page and give its patient this role.",
        )
    else:
        return True
    st.page_link(INGEST_PAGE, label="Go to Ingest", icon=":material/move_to_inbox:")
    return False


def show_others(store: Store, user: User) -> None:
    """Who else has an open round, one sentence each; one that was forgotten can be closed for them."""
    now = datetime.now(UTC).replace(tzinfo=None)
    for other in store.rounds():
        if other.state != "open" or other.reader == user.name:
            continue
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"{plain(other.reader)} reads a round of {other.items} cells now; none of them is shown to you.")
            if now - other.opened >= ABANDONED_AFTER:
                _close_for_other(store, user, other)


def _close_for_other(store: Store, user: User, other: Round) -> None:
    with st.popover("Close it for them"):
        st.text(
            f"It was begun on {other.opened:%d %b %Y at %H:%M} UTC. Labels given so far are kept and will be learnt "
            "from. The other cells can be asked for again."
        )
        reason = st.text_input("Reason", max_chars=500, key=f"relabel_reason_{other.round_id}")
        if st.button("Close the round", key=f"relabel_close_{other.round_id}", disabled=not reason.strip()):
            store.abandon_round(other.round_id, reader=user.name, session=user.session, reason=reason.strip())
            st.rerun()


def show_left(store: Store) -> None:
    """Say how many cells a round can ask for."""
    if left := left_to_ask(store):
        st.caption(f"{left:,} cells of training patients are not labelled and can be asked for.")
        return
    st.info(
        "Every cell of the training patients is labelled, set aside, or in somebody's queue: only second readings are "
        "left. Read another cartridge of a training patient, or give cells back below.",
        icon=":material/info:",
    )


# ---------------------------------------------------------------------------------------------------------- beginning
def show_start(desk: Desk, user: User) -> None:
    """The form that opens a round."""
    classifier = desk.store.active_model("classifier") is not None
    usual = recommended(classifier=classifier)
    names = sorted(STRATEGIES, key=lambda name: name != usual)
    if not classifier:
        st.caption(FIRST_ROUND)
    show_others(desk.store, user)
    show_left(desk.store)
    with st.form("relabel_start"):
        left, right = st.columns([3, 2], gap="large")
        with left:
            strategy = st.radio(
                "Which cells should be asked for?",
                names,
                captions=[STRATEGIES[name].sentence for name in names],
                format_func=lambda name: strategy_title(name) + (" (recommended)" if name == usual else ""),
                key="relabel_strategy",
            )
        with right:
            cluster = _choose_cluster(desk.store)
            n = st.number_input("Number of cells", 1, MOST_CELLS, CELLS, key="relabel_n")
            minutes = st.radio(
                "Timer",
                [None, MINUTES],
                format_func=lambda value: f"{value} minutes" if value else "Off",
                horizontal=True,
                help="Shown while you read. Nothing is lost when it runs out.",
                key="relabel_minutes",
            )
            share = st.select_slider(
                "Blind second readings",
                SHARES,
                format_func=lambda value: f"{value} %",
                help="Share of cells that somebody else has read before. You are not told which, nor what was said.",
                key="relabel_share",
            )
            run_id = _choose_run(desk.store)
            begin = st.form_submit_button("Start the round", type="primary", icon=":material/play_arrow:")
    if begin:
        _start(desk, user, strategy, int(n), minutes, share / 100, cluster, run_id)


def strategy_title(name: str) -> str:
    """What people call a strategy."""
    return STRATEGIES[name].title if name in STRATEGIES else name


def _choose_cluster(store: Store) -> int | None:
    known = store.active_model("map")
    if known is None:
        st.caption("There is no reliability map yet, so cells are chosen without clusters.")
        return None
    options = [EVERYWHERE, *(str(cluster) for cluster in range(int(known.parameters["clusters"]))), "-1"]
    asked = st.query_params.get("cluster", EVERYWHERE)
    chosen = st.selectbox(
        "Where on the map",
        options,
        index=options.index(asked) if asked in options else 0,
        format_func=lambda value: "All clusters" if value == EVERYWHERE else cluster_name(int(value)),
        key="relabel_cluster",
    )
    return None if chosen == EVERYWHERE else int(chosen)


def _choose_run(store: Store) -> str | None:
    """The series of rounds to go on with; None begins one."""
    last = next((found for found in reversed(store.rounds()) if found.state == "finished"), None)
    if last is None:
        return None
    new = st.toggle(
        "Begin a new series",
        help=f"Otherwise this is the next round of the series begun on {first_of(store, last).opened:%d %b %Y}. "
        "The Rounds page draws one series as one line.",
        key="relabel_new_run",
    )
    return None if new else last.run_id


def first_of(store: Store, one: Round) -> Round:
    """First round of the same series."""
    return next(found for found in store.rounds() if found.run_id == one.run_id)


def _start(
    desk: Desk,
    user: User,
    strategy: str,
    n: int,
    minutes: int | None,
    second_share: float,
    cluster: int | None,
    run_id: str | None,
) -> None:
    store = desk.store
    try:
        with st.spinner("Choosing cells"):
            start_round(
                store, strategy=strategy, n=n, seed=len(store.rounds()), reader=user.name, session=user.session,
                minutes=minutes, second_share=second_share, cluster=cluster, run_id=run_id,
                threshold=desk.settings.threshold,
            )  # fmt: skip
    except CTCError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    st.rerun()
