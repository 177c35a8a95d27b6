"""Every number is described: a new one fails here until docs/metrics.md says what it is."""

from pathlib import Path

import pytest

from assistant.vocabulary import METRIC_WORDS
from kpi.measures import FEEDS, METRICS

PAGE = (Path(__file__).parents[2] / "docs/metrics.md").read_text("utf-8")


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_metric_is_documented_as_it_is_shown(name: str) -> None:
    metric = METRICS[name]

    assert f"### `{name}` {metric.zh} · {metric.en}" in PAGE
    assert metric.about_zh in PAGE
    assert metric.about_en in PAGE


@pytest.mark.parametrize("name", sorted({feed for metric in METRICS.values() for feed in metric.needs}))
def test_a_feed_is_known_and_documented(name: str) -> None:
    assert name in FEEDS
    assert name in PAGE


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_metric_can_be_asked_for(name: str) -> None:
    assert name in METRIC_WORDS or name == "commission"
