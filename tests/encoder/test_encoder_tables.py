from ctc_core.encoder.tables import sizes, table


def test_columns_stand_below_each_other():
    rows = {"ours": {"20": {"mean": 0.5, "low": 0.25, "high": 0.75}, "all": 0.9}, "other": {"20": "none", "cells": 3}}
    assert table("F1", rows) == [
        "F1     20                      all    cells",
        "ours   0.500 (0.250 to 0.750)  0.900  -",
        "other  none                    -      3",
    ]


def test_sizes_side_by_side():
    half = {"mean": 0.5, "low": 0.4, "high": 0.6, "n": 6}
    result = {
        "encoder_id": "some-1",
        "data": "simulated, validation patients",
        "threads": 1,
        "crops": 64,
        "seeds": 6,
        "cells_per_second": {"48": 100.0, "224": 5.0},
        "times_the_largest": {"48": 20.0, "224": 1.0},
        "seconds_of_training": {"48": 2.0, "224": 40.0},
        "f1": {"48": {"all": half}, "224": {"all": half}},
        "difference": {"224": {"all": {"mean": 0.0, "low": -0.1, "high": 0.1, "n": 6}}},
    }
    assert sizes(result) == [
        "some-1: simulated, validation patients. 6 seeds: mean (95 % interval).",
        "Learned from 64 labelled crops at each size. Threads: 1.",
        "",
        "input   cells/s  times the largest  CPU s of learning  F1                      smallest size - this",
        "48 px   100.000  20.000             2.000              0.500 (0.400 to 0.600)  -",
        "224 px  5.000    1.000              40.000             0.500 (0.400 to 0.600)  0.000 (-0.100 to 0.100)",
    ]
