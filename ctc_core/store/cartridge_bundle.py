"""A bundle of kind `cartridge`: which tables and arrays it must hold, and how they become rows of the store."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from ctc_core.errors import StoreError
from ctc_core.store.bundle import Bundle, read_bundle
from ctc_core.types import CROP_CHANNELS, CROP_PX, EMBEDDING_DIM

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a pseudonym or a cartridge id may look like: file names are made from the latter."""

_TEXTS, _POLYGON = pa.list_(pa.string()), pa.list_(pa.list_(pa.float32()))
_MEASURES = {
    f"{channel}_{what}": pa.float64() for channel in CROP_CHANNELS for what in ("mean", "max", "sd", "background")
}
_TABLES = {
    "cartridge": {
        **dict.fromkeys(("cartridge_id", "pseudonym", "path_name", "assigned_rule", "status"), pa.string()),
        **dict.fromkeys(("segmenter_id", "encoder_id"), pa.string()),
        **dict.fromkeys(("rows", "cols", "width", "height", "frames"), pa.int32()),
        **dict.fromkeys(("channels", "notes"), _TEXTS),
        "bottom_up": pa.bool_(),
    },
    "frames": {"frame": pa.int32(), "status": pa.string(), "reason": pa.string(), "flags": _TEXTS},
    "events": {
        "rid": pa.string(),
        **dict.fromkeys(("frame", "numselected", "crop_index"), pa.int32()),
        **dict.fromkeys(("x0", "y0", "x1", "y1"), pa.float64()),
        "assigned": pa.bool_(),
    },
    "quarantined_events": {"rid": pa.string(), "reason": pa.string()},
    "cells": {
        "cell_id": pa.string(),
        **dict.fromkeys(("frame", "crop_index"), pa.int32()),
        **dict.fromkeys(("y", "x", "diameter_um", "area_um2", "eccentricity", "probability"), pa.float64()),
        "polygon": _POLYGON,
        "at_border": pa.bool_(),
        **_MEASURES,
    },
}
_TARGETS = {"frames": "frame", "events": "event", "quarantined_events": "quarantined_event", "cells": "cell"}
_IDS = {
    "cells": ("cell_id", r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"),
    "events": ("rid", r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$"),
}
_ARRAYS = {"crops": "cells", "vectors": "cells", "event_crops": "events"}


def table(bundle: Bundle, name: str) -> pa.Table:
    """Table `name` of a cartridge bundle with the store's columns and types; columns it does not know are left out."""
    schema = pa.schema(list(_TABLES[name].items()))
    try:
        found = bundle.table(name).select(schema.names)
        return found.cast(schema) if len(found) else schema.empty_table()  # columns without values have any type
    except (KeyError, pa.ArrowException) as error:
        message = (
            f"{bundle.folder}: table {name} does not fit the store ({error}). Make the bundle again with this version."
        )
        raise StoreError(message) from error


def check(bundle: Bundle) -> dict[str, object]:
    """The cartridge's row, once the bundle is seen to be whole.

    Raises:
        StoreError: another kind of bundle, tables or arrays that do not belong together, or an id that could be more
            than a name: exports make files and cells of spreadsheets of them.
    """
    if bundle.manifest.kind != "cartridge":
        _refuse(bundle, f"a bundle of kind {bundle.manifest.kind}, not of a cartridge")
    rows = table(bundle, "cartridge").to_pylist()
    if len(rows) != 1 or not NAME.fullmatch(str(rows[0]["cartridge_id"])):
        _refuse(bundle, "it must hold one cartridge whose id is letters, digits, dot, dash and underscore, at most 64")
    for owner, (key, pattern) in _IDS.items():
        if not pc.all(pc.match_substring_regex(table(bundle, owner)[key], pattern), min_count=0).as_py():
            _refuse(bundle, f"an id of its {owner} is none")
    for name, owner in _ARRAYS.items():
        _check_array(bundle, name, owner)
    row: dict[str, object] = rows[0]
    return row


def find(folder: Path, cartridge_id: str) -> Path | None:
    """The bundle of a cartridge among those in `folder`: an import that was cut off may have moved it there already."""
    for path in sorted(folder.glob("cartridge-*")):
        try:
            if check(read_bundle(path))["cartridge_id"] == cartridge_id:
                return path
        except StoreError:
            continue  # not complete, or changed: not what was computed
    return None


def _check_array(bundle: Bundle, name: str, owner: str) -> None:
    array, index = bundle.array(name), table(bundle, owner)["crop_index"].to_pylist()
    one = (EMBEDDING_DIM,) if name == "vectors" else (len(CROP_CHANNELS), CROP_PX, CROP_PX)
    dtype = "float32" if name == "vectors" else "uint8"
    if array.shape != (len(index), *one) or array.dtype != dtype:
        _refuse(bundle, f"{name} is {array.dtype} {array.shape}, must be {dtype} {(len(index), *one)}")
    if sorted(index) != list(range(len(index))):
        _refuse(bundle, f"crop_index of {owner} must number the rows of {name} from 0")


def _refuse(bundle: Bundle, reason: str) -> None:
    message = f"{bundle.folder}: {reason}. Make the bundle again."
    raise StoreError(message)


def insert(cur: duckdb.DuckDBPyConnection, bundle: Bundle, imported_at: str) -> None:
    """Insert all rows of a cartridge bundle; the caller owns the transaction. `imported_at` is UTC in ISO 8601."""
    cartridge = table(bundle, "cartridge")
    cartridge_id, encoder_id = (cartridge[name][0].as_py() for name in ("cartridge_id", "encoder_id"))
    cur.register("incoming", cartridge)
    cur.execute(
        "INSERT INTO cartridge BY NAME SELECT *, ? AS bundle_id, ? AS imported_at FROM incoming",
        [bundle.manifest.bundle_id, utc(imported_at)],
    )
    for name, target in _TARGETS.items():
        cur.register("incoming", table(bundle, name))
        cur.execute(f"INSERT INTO {target} BY NAME SELECT *, ? AS cartridge_id FROM incoming", [cartridge_id])
    cur.register("incoming", _embeddings(bundle))
    cur.execute("INSERT INTO embedding BY NAME SELECT *, ? AS encoder_id FROM incoming", [encoder_id])
    cur.unregister("incoming")


def _embeddings(bundle: Bundle) -> pa.Table:
    cells = table(bundle, "cells")
    vectors = bundle.array("vectors")[cells["crop_index"].to_numpy()]
    return pa.table(
        {"cell_id": cells["cell_id"], "vector": pa.FixedSizeListArray.from_arrays(vectors.ravel(), EMBEDDING_DIM)}
    )


def utc(text: str) -> datetime:
    """A time in ISO 8601 as the store keeps it: UTC without a zone."""
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
