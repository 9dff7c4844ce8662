"""A report as one HTML file that needs nothing else."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from lwm_trainer.report import curves
from lwm_trainer.report.contents import Report

TEMPLATE = "page.html.j2"


def render(report: Report) -> str:
    """The page. Every value is escaped."""
    environment = Environment(
        loader=PackageLoader("lwm_trainer.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    size = {name.lower(): getattr(curves, name) for name in ("WIDTH", "HEIGHT", "LEFT", "RIGHT", "TOP", "BOTTOM")}
    return environment.get_template(TEMPLATE).render(report=report, size=size) + "\n"
