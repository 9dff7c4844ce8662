"""The page needs nothing else, escapes what it shows, and leaves out what there is not."""

import re

from lwm_trainer.report.contents import Report, Sample, Verdict
from lwm_trainer.report.curves import loss_curve
from lwm_trainer.report.page import render


def test_values_are_escaped_and_nothing_is_fetched() -> None:
    report = Report(
        title="<script>alert(1)</script>",
        made="today",
        verdict=Verdict("Failed", "bad", "host 0: \"a\" & 'b' <img src=x>"),
        loss=loss_curve([("<b>", [2.0, 1.0])]),
        provenance=(("spec", "</pre><script>"),),
    )
    page = render(report)
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert not re.search(r"(src|href|url\(|@import|https?:)", re.sub(r"src=x", "", page))


def test_there_are_colors_for_light_dark_and_print() -> None:
    page = render(Report(title="a", made="today", verdict=Verdict("Running", "good", "step 3")))
    assert page.count("--page:") == 3
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    for absent in ("<h2>Stages", "<h2>Loss", "<h2>Evaluations", "<h2>Attempts", "<svg"):
        assert absent not in page


def test_samples_stand_beside_the_texts_own_words() -> None:
    sample = Sample("In the <beginning>", " was the word", " God created")
    page = render(Report(title="a", made="today", verdict=Verdict("Running", "good", "step 3"), samples=(sample,)))
    assert re.search(r"begins</td><td class=\"code\">In the &lt;beginning&gt;.*model.*was the word.*text.*God created", page, re.DOTALL)
