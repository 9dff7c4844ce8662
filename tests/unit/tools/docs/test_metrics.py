"""The page has every metric, and what the chart asks Prometheus for exists."""

import json
import re
from typing import Any

import pytest
import yaml

from tools.docs import metrics
from tools.operator_chart import CHART

DOCS = CHART.parents[1] / "docs"
OF_TARGETS = {"pod", "namespace", "container", "instance", "job"}
"""Labels that Prometheus adds to every metric of a pod."""


def families() -> dict[str, metrics.Family]:
    return {each.name: each for program in metrics.families().values() for each in program}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((CHART / "monitoring" / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((CHART / "monitoring" / "dashboard.json").read_text())
    return content


def queries() -> list[str]:
    panels = [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ())]
    variables = [each["query"]["query"] for each in dashboard()["templating"]["list"] if each["type"] == "query"]
    return [*(rule["expr"] for rule in rules()), *panels, *variables]


@pytest.mark.parametrize("query", queries())
def test_a_query_names_metrics_and_labels_that_exist(query: str) -> None:
    named = metrics.metric_names(query)
    known = {sample: each for each in families().values() for sample in each.samples}
    assert named, query
    assert named <= known.keys()
    labels = {label for name in named for label in known[name].labels}
    assert metrics.label_matchers(query) <= labels | OF_TARGETS
    grouped = {label.strip() for group in re.findall(r"(?:by|on) \(([^)]*)\)", query) for label in group.split(",")}
    assert grouped <= labels | OF_TARGETS | {"le"}


def test_the_check_finds_names_in_queries() -> None:
    query = 'sum by (x) (rate(lwm_a_bucket{stage="s", name!~"n"}[5m])) - lwm_b'
    assert metrics.metric_names(query) == {"lwm_a_bucket", "lwm_b"}
    assert metrics.label_matchers(query) == {"stage", "name"}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_has_a_runbook_and_names_only_labels_that_its_metrics_have(rule: dict[str, Any]) -> None:
    headings = re.findall(r"^## (\w+)$", (DOCS / "runbooks.md").read_text(), re.MULTILINE)
    assert rule["alert"] in headings
    assert rule["annotations"]["runbook_url"] == f"RUNBOOKS#{rule['alert'].lower()}"
    known = {sample: each for each in families().values() for sample in each.samples}
    labels = {label for name in metrics.metric_names(rule["expr"]) for label in known[name].labels}
    used = {label for text in rule["annotations"].values() for label in re.findall(r"\$labels\.(\w+)", text)}
    assert used <= labels | OF_TARGETS


def test_no_runbook_is_left_without_its_alert() -> None:
    headings = re.findall(r"^## (\w+)$", (DOCS / "runbooks.md").read_text(), re.MULTILINE)
    assert set(headings) == {rule["alert"] for rule in rules()}


def test_every_metric_has_a_meaning_and_the_page_has_every_metric() -> None:
    page = metrics.page()
    assert {"lwm_operator_api_calls", "lwm_training_phase", "lwm_trainer_loss", "lwm_serve_requests"} <= families().keys()
    for each in families().values():
        assert each.meaning
        assert f"| `{each.name}` | {each.kind} |" in page


def test_the_dashboard_s_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not taken & cells, panel["title"]
        taken |= cells
