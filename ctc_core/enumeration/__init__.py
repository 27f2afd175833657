"""From cells and events to what a clinician signs: matched candidates, predictive values, the count, what is left.

Pure functions on tables; nothing here reads or writes.
"""

from ctc_core.enumeration.candidates import (
    EVENT_PREFIX,
    GROUPS,
    MATCH_UM,
    at_threshold,
    candidate_rows,
    candidate_table,
    event_ids,
    located,
    match,
    none_for_missing,
    proposed,
)
from ctc_core.enumeration.counts import CUT_OFFS, METHOD, Cancer, Count, Knowledge, Samples, count, sample
from ctc_core.enumeration.ppv import Overlap, PpvRow, Side, pooled, ppv_row
from ctc_core.enumeration.readers import ReaderErrors, reader_errors
from ctc_core.enumeration.stopping import Unseen, Verdict, reading_order, strange, unseen_ctcs
from ctc_core.enumeration.summary import ClosePair, Summary, close_pairs, summarise
from ctc_core.enumeration.worth import less_certain, worth

__all__ = [
    "CUT_OFFS",
    "EVENT_PREFIX",
    "GROUPS",
    "MATCH_UM",
    "METHOD",
    "Cancer",
    "ClosePair",
    "Count",
    "Knowledge",
    "Overlap",
    "PpvRow",
    "ReaderErrors",
    "Samples",
    "Side",
    "Summary",
    "Unseen",
    "Verdict",
    "at_threshold",
    "candidate_rows",
    "candidate_table",
    "close_pairs",
    "count",
    "event_ids",
    "less_certain",
    "located",
    "match",
    "none_for_missing",
    "pooled",
    "ppv_row",
    "proposed",
    "reader_errors",
    "reading_order",
    "sample",
    "strange",
    "summarise",
    "unseen_ctcs",
    "worth",
]
