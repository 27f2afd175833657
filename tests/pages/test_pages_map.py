"""The map page: without a map, with a made-up one, and what is picked on it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ctc_core.map_view import MapView, Place
from ctc_core.reliability import Shares
from ctc_core.ui import latent_map
from tests.made_map import WEAKEST, made_draw, made_map, without_clusters
from tests.pages.conftest import OpenApp

PAGE = "pages/reliability/map.py"


@pytest.fixture
def open_map(
    open_app: OpenApp, small_store: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., AppTest]]:
    """`open_map(view)` opens the page on a small store whose map is `view`."""
    small_store()
    register(monkeypatch)

    def crops(_: object, cell_ids: list[str]) -> np.ndarray:
        return np.zeros((len(cell_ids), 3, 48, 48), np.uint8)

    def open_map(view: MapView | None) -> AppTest:
        loaded = latent_map.Loaded(view) if view else None
        monkeypatch.setattr(latent_map, "load_view", lambda *_: loaded)
        monkeypatch.setattr(latent_map, "load_crops", crops)
        return open_app(PAGE)

    return open_map


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """The router knows the page, whether or not app.py lists it."""
    navigation = st.navigation

    def with_map(pages: dict[str, list[Any]]) -> Any:
        listed = {page.url_path for group in pages.values() for page in group}
        more = {} if "map" in listed else {"Reliability": [st.Page(PAGE, title="Map", url_path="map")]}
        return navigation(pages | more)

    monkeypatch.setattr(st, "navigation", with_map)


def captions(at: AppTest) -> str:
    return "\n".join(caption.value for caption in at.caption)


def pick(at: AppTest, **selection: Any) -> AppTest:
    """What the browser sends when something is picked."""
    at.session_state["map"] = {"selection": selection}
    return at.run()


def opened(at: AppTest) -> AppTest:
    """The page with chart and table."""
    assert not at.table  # they come on demand
    at.session_state["map_figures"] = True
    return at.run()


def test_empty_store_says_what_to_do(open_app: OpenApp, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    at = open_app(PAGE)
    assert not at.exception
    assert [title.value for title in at.title] == ["Reliability map"]
    assert [link.value for link in at.page_link] == ["Go to Ingest"]


@pytest.mark.parametrize("view", [None, made_map(0)])
def test_no_map_names_the_command(open_map: Callable[..., AppTest], view: MapView | None) -> None:
    at = open_map(view)
    assert not at.exception
    assert [title.value for title in at.subheader] == ["There is no map yet"]
    assert "python -m ctc_core map" in at.text[0].value


def test_map_opens_on_the_weakest_cluster(open_map: Callable[..., AppTest]) -> None:
    view = made_map(800)
    at = open_map(view)
    assert not at.exception
    assert [title.value for title in at.subheader] == ["Cluster 2, weakest"]
    figures = "100 cells. F1 0.52 (0.36 to 0.68), n = 60. 12.0 % of this patient's cells lie here."  # an eighth of 800
    assert f"{figures} Weakest by cross-validation" in captions(at)
    assert {metric.label: (metric.value, metric.delta) for metric in at.metric} == {
        "In strong clusters": ("70 %", "of 50 candidates; 77 % of all cells"),
        "In weak clusters": ("12 %", "of 50 candidates; 10 % of all cells"),
        "Not known": ("18 %", "of 50 candidates; 13 % of all cells"),
        "Unlike anything labelled": ("9", "cells; 2 candidates"),
        "Expected false CTCs": ("3.2", "95 % interval 1 to 6"),
        "Expected missed CTCs": ("0.4", "95 % interval 0 to 2"),
    }
    assert not at.warning


def test_an_unusual_patient_is_named(open_map: Callable[..., AppTest]) -> None:
    nothing = replace(made_draw(), candidates=Shares(0, 0, 0, 0), alarm=True)
    at = open_map(replace(made_map(200), draw=nothing))
    assert "unlike anything labelled" in at.warning[0].value
    assert (at.metric[0].value, at.metric[0].delta) == ("–", "of 0 candidates; 77 % of all cells")


def test_figures_lowest_first_and_no_figure_without_labels(open_map: Callable[..., AppTest]) -> None:
    at = opened(open_map(made_map(800)))
    assert not at.exception
    table = at.table[0].value
    assert table.iloc[:, :6].to_numpy().tolist() == [
        ["Cluster 2, weakest", "60", "29", "0.52", "0.36 to 0.68", "weak"],
        ["Background", "30", "12", "0.83", "0.62 to 0.94", "strong"],
        ["Cluster 3", "70", "35", "0.87", "0.76 to 0.93", "strong"],
        ["Cluster 1", "50", "22", "0.91", "0.78 to 0.97", "strong"],
        ["Cluster 0", "40", "31", "0.97", "0.89 to 0.99", "strong"],
        ["Cluster 4", "7", "6", "not enough labels", "–", "not known"],
    ]


def test_picking_a_cluster_an_area_and_nothing(open_map: Callable[..., AppTest]) -> None:
    view = made_map(800)
    at = pick(open_map(view), map=view.map_id, cluster=0)
    assert not at.exception
    assert at.subheader[0].value == "Cluster 0"
    everything = [[-1, -1], [65_536, -1], [65_536, 65_536], [-1, 65_536]]
    at = pick(at, map=view.map_id, area=everything)
    tests = int((view.place == Place.TEST).sum())
    wrong = int((view.mistake > 0).sum())
    assert at.subheader[0].value == "Selected area"
    assert (
        f"800 cells, {tests} of them labelled test cells; the classifier is wrong about {wrong} of these."
        in captions(at)
    )
    at = pick(at, map=view.map_id)
    assert at.subheader[0].value == "Nothing selected"
    assert pick(at, map="another", cluster=0).subheader[0].value == "Cluster 2, weakest"


def test_without_clusters_the_page_says_so(open_map: Callable[..., AppTest]) -> None:
    at = open_map(without_clusters(made_map(200)))
    assert not at.exception
    assert not at.metric
    assert at.subheader[0].value == "Nothing selected"
    assert "No clusters were found on this map: all cells lie in the background." in captions(at)


def test_relabelling_waits_for_its_page(open_map: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latent_map, "QUEUE_PAGE", "pages/no/such.py")
    at = open_map(made_map(800))
    assert [button.disabled for button in at.button if button.label == "Relabel this cluster"] == [True]
    assert "Relabelling from the map is not available in this version of the desk." in captions(at)


def test_relabelling_opens_its_page_with_the_cluster(
    open_map: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latent_map, "QUEUE_PAGE", "pages/review/candidates.py")  # any page the router knows
    view = made_map(800)
    at = open_map(view)
    next(button for button in at.button if button.label == "Relabel this cluster").click().run()
    assert not at.exception
    assert at.title[0].value == "Candidates"
    assert at.query_params["cluster"] in (str(WEAKEST), [str(WEAKEST)])


def test_an_area_cannot_be_relabelled(open_map: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latent_map, "QUEUE_PAGE", "pages/review/candidates.py")
    view = made_map(800)
    at = pick(open_map(view), map=view.map_id, area=[[0, 0], [9, 0], [9, 9]])
    assert [button.disabled for button in at.button if button.label == "Relabel this cluster"] == [True]
    assert "Pick a cluster to relabel its cells; an area cannot be relabelled." in captions(at)


def test_no_weakest_cluster(open_map: Callable[..., AppTest]) -> None:
    at = opened(open_map(replace(made_map(200), weakest=None)))
    assert at.subheader[0].value == "Nothing selected"
    assert not any("weakest" in name for name in at.table[0].value.Cluster)
