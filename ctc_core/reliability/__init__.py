"""Where the classifier can be trusted: figures of each cluster, the honest split, one draw, and calibration.

Pure functions on arrays; nothing here reads or writes.
"""

from ctc_core.reliability.draw import DrawReliability, Shares, draw_reliability
from ctc_core.reliability.expected import ExpectedErrors, Rates, expected_errors, rates
from ctc_core.reliability.judgement import Judgement, LabelledCells, judge
from ctc_core.reliability.metrics import (
    MIN_LABELS,
    Area,
    AreaRules,
    ClusterMetrics,
    Counts,
    area,
    cluster_metrics,
    count,
)
from ctc_core.reliability.nested import Evidence, Reliability, assess, cross_validate, overall, pooled
from ctc_core.reliability.novelty import Novelty, alarm, fit_novelty, remoteness

__all__ = [
    "MIN_LABELS",
    "Area",
    "AreaRules",
    "ClusterMetrics",
    "Counts",
    "DrawReliability",
    "Evidence",
    "ExpectedErrors",
    "Judgement",
    "LabelledCells",
    "Novelty",
    "Rates",
    "Reliability",
    "Shares",
    "alarm",
    "area",
    "assess",
    "cluster_metrics",
    "count",
    "cross_validate",
    "draw_reliability",
    "expected_errors",
    "fit_novelty",
    "judge",
    "overall",
    "pooled",
    "rates",
    "remoteness",
]
