"""The store: the only SQL and the only file formats of ours.

Decisions go to the journal first, then to DuckDB, then they are acknowledged; DuckDB is a projection of journal and
bundles.
"""

from ctc_core.store.bundle import Bundle, BundleManifest, read_bundle, write_bundle
from ctc_core.store.cartridge_bundle import NAME
from ctc_core.store.cartridge_bundle import find as find_bundle
from ctc_core.store.journal import Draft, Entry, Journal
from ctc_core.store.provenance import code_version
from ctc_core.store.store import Store
from ctc_core.store.values import ModelRecord, Pool, Round, RoundDraft, Said, TrainingPool
from ctc_core.store.verify import Report, verify

__all__ = [
    "NAME",
    "Bundle",
    "BundleManifest",
    "Draft",
    "Entry",
    "Journal",
    "ModelRecord",
    "Pool",
    "Report",
    "Round",
    "RoundDraft",
    "Said",
    "Store",
    "TrainingPool",
    "code_version",
    "find_bundle",
    "read_bundle",
    "verify",
    "write_bundle",
]
