"""The first page: goes on to where there is something to do."""

import streamlit as st

from ctc_core.ui.desk import open_desk
from ctc_core.ui.session import require_user

require_user()
is_empty = open_desk().store.cartridges().empty
st.switch_page("pages/cartridges/ingest.py" if is_empty else "pages/review/candidates.py")
