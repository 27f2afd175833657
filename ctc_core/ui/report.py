"""What the report page shows: the report in short, its file, signing, signed versions, exports."""

from __future__ import annotations

import streamlit as st

from ctc_core.counting import CountOptions
from ctc_core.enumeration import CUT_OFFS, Cancer
from ctc_core.errors import UserError
from ctc_core.exports.names import FORMATS, Format, Which
from ctc_core.exports.write import zipped
from ctc_core.report import sign, words
from ctc_core.report.content import Content
from ctc_core.report.sign import MAX_REASON, Draft
from ctc_core.store import Store
from ctc_core.ui.messages import plain
from ctc_core.ui.session import User

CANCERS = {"Breast or prostate": CUT_OFFS[Cancer.BREAST], "Colorectal": CUT_OFFS[Cancer.COLORECTAL]}
"""CTCs in 7.5 ml from which the outlook is worse."""
PDF = "application/pdf"
_SEEN = "report_seen"
"""In the session: `sign.statement` of the report that the person has before them."""


def choose_options() -> CountOptions:
    """Volume of blood and cut-off."""
    cancer = st.selectbox("Cancer", CANCERS, key="report_cancer", width=180, help="Sets the cut-off: 5, or 3 CTCs.")
    volume = st.number_input("Blood, ml", 0.5, 50.0, 7.5, 0.5, key="report_volume", width=120)
    return CountOptions(volume_ml=volume, cut_off=CANCERS[cancer])


def load_draft(store: Store, cartridge_id: str, threshold: float, options: CountOptions) -> Draft:
    """The report as it stands; made again after every change of the store."""
    return _load(store.state(), cartridge_id, threshold, options.volume_ml, options.cut_off, store)


@st.cache_resource(max_entries=4, show_spinner=False)
def _load(place: str, cartridge_id: str, threshold: float, volume: float, cut_off: int, _store: Store) -> Draft:
    return sign.draft(_store, cartridge_id, threshold, CountOptions(volume_ml=volume, cut_off=cut_off))


def show_state(draft: Draft) -> None:
    """Whether somebody answers for what is shown."""
    if draft.last is None:
        st.warning("Draft: nobody has signed a report on this cartridge yet.", icon=":material/edit_document:")
        return
    signature = draft.last.signature
    signed = f"Version {signature.version}, signed {signature.signed[:10]} by {plain(signature.name)}"
    if draft.is_signed:
        st.success(f"{signed}. Nothing has changed since.", icon=":material/verified:")
    else:
        st.warning(
            f"Draft: {signed}, but what it says has changed since. That version is kept; sign a new one.",
            icon=":material/edit_document:",
        )


def show_result(content: Content) -> None:
    """The figures that stand at the top of the report, and what they rest on."""
    counted = content.counted
    figures = [
        ("Confirmed CTCs", f"{counted.confirmed}", "by readers of this desk"),
        ("CTCs in 7.5 ml", f"{counted.per_7_5_ml:.1f}", words.mean(counted.concentration)),
        (f"P(at least {counted.cut_off} in 7.5 ml)", words.percent(counted.p_patient), f"cut-off {counted.cut_off}"),
        ("CellSearch's count", f"{counted.cellsearch_assigned}", f"of {counted.cellsearch_events} events shown"),
        ("Undecided", f"{content.reading.undecided}", "candidates and events"),
    ]
    with st.container(horizontal=True, gap="medium"):
        for label, value, below in figures:
            st.metric(label, value, below, delta_color="off", delta_arrow="off", width="content")
    if told := words.counted_twice(content):
        st.warning(plain(f"{told} Numbers are those of the pictures in the draft."), icon=":material/warning:")
    with st.expander("What these figures rest on"):
        for sentence in words.basis(content):
            st.text(sentence)


def show_file(store: Store, draft: Draft) -> None:
    """The PDF file, made when it is asked for."""
    cartridge_id = draft.content.subject.cartridge_id
    state = f"v{draft.last.signature.version}" if draft.is_signed and draft.last else "draft"
    st.download_button(
        "Download the report" if draft.is_signed else "Download the draft",
        data=lambda: sign.file_of(store, draft),
        file_name=f"{cartridge_id}-{state}.pdf",
        mime=PDF,
        on_click="ignore",
        key="report_download",
        icon=":material/download:",
    )


def show_signing(store: Store, draft: Draft, user: User) -> None:
    """Signing: one's own name again, and a reason.

    Raises:
        UserError: what is on the screen is not what the report says by now, or as `sign.sign`.
    """
    seen, now = st.session_state.get(_SEEN), sign.statement(draft.content)
    st.session_state[_SEEN] = now
    if draft.is_signed:
        st.caption("This report is signed. It can be signed again when something in it has changed.")
        return
    st.caption(
        "Look at the draft first. A signed version is kept for ever with its hash in the journal; a later change of "
        "decisions needs a new version."
    )
    with st.form("report_sign", clear_on_submit=True, border=False):
        name = st.text_input(f"Your name ({plain(user.name)})", key="report_name")
        reason = st.text_input("Reason", max_chars=MAX_REASON, key="report_reason")
        distinct = bool(draft.content.neighbours) and st.checkbox(
            "I have looked at the pairs that may be one cell: they are different cells", key="report_distinct"
        )
        sent = st.form_submit_button("Sign this report", icon=":material/draw:")
    if sent and seen != now:
        message = "The report has changed since you looked at it; nothing was signed. Look at it again, then sign."
        raise UserError(message)
    if sent:
        by = {"reader": user.name, "session": user.session}
        sign.sign(store, draft, name=name, reason=reason, **by, distinct=distinct)
        st.rerun()


def show_versions(store: Store, cartridge_id: str) -> None:
    """Every signed version, the newest first."""
    reports = store.reports(cartridge_id)
    if not reports:
        st.caption("No version has been signed yet.")
    for report in reversed(reports):
        signature = report.signature
        with st.container(horizontal=True, vertical_alignment="center"):
            when = signature.signed[:16].replace("T", " ")
            st.text(f"Version {signature.version}, {when} UTC, {signature.name}: {signature.reason}", width="stretch")
            st.caption(f"SHA-256 {report.sha256[:16]}")
            st.download_button(
                "Download",
                data=lambda report=report: sign.signed_file(report),  # type: ignore[misc]
                file_name=f"{cartridge_id}-v{signature.version}.pdf",
                mime=PDF,
                on_click="ignore",
                key=f"report_version_{signature.version}",
                icon=":material/download:",
            )


def show_exports(store: Store, cartridge_id: str, threshold: float) -> None:
    """This cartridge's cells for other programs, as one zip file."""
    forms = [form for form in Format if form is not Format.FEATURES]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        form = st.selectbox("Format", forms, format_func=str, key="report_format", width=180)
        which = Which(st.selectbox("Cells", list(Which), format_func=str, key="report_which", width=180) or Which.ALL)
        st.download_button(
            "Download",
            data=lambda: zipped(store, cartridge_id, form, threshold=threshold, which=which),
            file_name=f"{cartridge_id}-{form}.zip",
            mime="application/zip",
            on_click="ignore",
            key="report_export",
            icon=":material/download:",
        )
    st.caption(f"{FORMATS[form]}. Nothing about the patient but the pseudonym, and no reader's name.")
