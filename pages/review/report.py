"""Report: what can be said of one cartridge, signed by a named person, printed, and exported for other programs."""

import streamlit as st

from ctc_core.ui import report
from ctc_core.ui.choose_cartridge import choose_cartridge
from ctc_core.ui.desk import open_desk
from ctc_core.ui.messages import explained
from ctc_core.ui.session import require_user

user = require_user()
desk = open_desk()
chosen = choose_cartridge(desk.store, "Report", then="Its report can be signed here once its candidates are read.")

with chosen.head:
    options = report.choose_options()

with st.spinner("Collecting what there is to say"), explained():
    draft = report.load_draft(desk.store, chosen.cartridge_id, desk.settings.threshold, options)

report.show_state(draft)
report.show_result(draft.content)
report.show_file(desk.store, draft)

sign, print_again, export = st.tabs(["Sign", "Signed versions", "Export"])
with sign, explained():
    report.show_signing(desk.store, draft, user)
with print_again:
    report.show_versions(desk.store, chosen.cartridge_id)
with export:
    report.show_exports(desk.store, chosen.cartridge_id, desk.settings.threshold)
