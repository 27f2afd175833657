"""System: the journal, entry by entry, its last hash, and whether journal, store and bundles say the same."""

import streamlit as st

from ctc_core.backups import heads
from ctc_core.ui.audit import ENTRIES_SHOWN, entry_table, kind_names, show_entries, show_head, show_report
from ctc_core.ui.desk import open_desk
from ctc_core.ui.messages import empty_state, explained
from ctc_core.ui.session import require_user
from ctc_core.verification import verify

user = require_user()
desk = open_desk()
store = desk.store

st.title("Audit")
with explained():
    show_head(store)
    written = store.audited()

if st.button(
    "Verify now", icon=":material/fact_check:", help="Reads every journal line, bundle, crop and score; may take long."
):
    with st.spinner("Comparing journal, store, bundles and scores"), explained():
        st.session_state["audit_report"] = verify(store, heads(desk.settings))
if report := st.session_state.get("audit_report"):
    show_report(report)

st.subheader("Entries")
if written.empty:
    empty_state("Nothing was decided yet", "Every decision, import and change of a role appears here as it is made.")
    st.stop()

with st.container(horizontal=True, vertical_alignment="bottom"):
    text = st.text_input(
        "Contains", key="audit_text", placeholder="cell, patient, reason, hash ...", help="In any field, in any case."
    )
    kinds = st.multiselect("Kinds", sorted(set(written.kind)), format_func=kind_names, key="audit_kinds")
    reader = st.selectbox(
        "Person", [None, *sorted(set(written.reader))], key="audit_reader", format_func=lambda name: name or "Anybody"
    )
    before = st.number_input(
        "Before entry", min_value=1, value=None, step=1, key="audit_before", placeholder="the newest"
    )

with explained():
    found = store.audit(ENTRIES_SHOWN + 1, text=text, kinds=kinds, reader=reader, before=before)
    show_entries(entry_table(found.head(ENTRIES_SHOWN)), more=len(found) > ENTRIES_SHOWN)
