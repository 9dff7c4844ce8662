"""What `lwm status`, `suspend`, `resume` and `events` do, in a folder of `lwm train` and in a cluster."""

import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lwm_cli.attempt_logs import logs_of
from lwm_cli.errors import FileError, PlaceError
from lwm_cli.places import Body, Place, cluster_bodies, cluster_words, local_places, parse_body, place_of
from lwm_cli.status_table import STYLES, TrainingView, stage_table
from lwm_cli.timeline import drawn, timeline
from lwm_cli.why import explanation
from lwm_operator.api.names import job_name
from lwm_operator.api.status import Phase
from lwm_operator.plan.formatting import duration

COLUMNS = ("name", "stage", "phase", "step", "loss", "tok/s", "restarts", "reason", "age")
WATCH_SECONDS = 2.0
ENDED = (Phase.COMPLETE, Phase.FAILED, Phase.PAUSED)


def show_status(
    target: str | None, as_json: bool, all_namespaces: bool, in_cluster: bool, namespace: str | None, context: str | None
) -> int:
    """Print a table of trainings, or a training with its stages. Returns the exit code. Raises PlaceError.

    `in_cluster`: without a target, the trainings of the cluster are meant and not those of this machine.
    """
    words = [*cluster_words(namespace, context), *(["--all-namespaces"] if all_namespaces else [])]
    if target is not None:
        bodies = [place_of(target, words).body()]
    else:
        bodies = cluster_bodies(words) if words or in_cluster else [place.body() for place in local_places()]
    if as_json:
        print(json.dumps(bodies[0] if target is not None else bodies, indent=1, ensure_ascii=False))
        return 0
    console = Console()
    if not bodies:
        console.print("no trainings: start one with `lwm train FILE`, or name a cluster's with --context or --namespace")
        return 0
    console.print(training_table(bodies, datetime.now(UTC)))
    for body in bodies if target is not None else ():
        training = parse_body(body)
        console.print()
        console.print(stage_table(training))
        console.print(Text(training.status.message))
    return 0


def watch_status(target: str, namespace: str | None, context: str | None) -> int:
    """Show a training again and again until it ends or needs a person. Returns 0, or 1 where it failed or paused. Raises PlaceError."""
    place = place_of(target, cluster_words(namespace, context))
    with TrainingView(Console()) as view:
        while True:
            training = parse_body(place.body())
            view.show(training)
            if training.status.phase in ENDED:
                return 0 if training.status.phase == Phase.COMPLETE else 1
            time.sleep(WATCH_SECONDS)


def explain(target: str, namespace: str | None, context: str | None) -> int:
    """Print why the training is where it is. Returns the exit code. Raises PlaceError."""
    training = parse_body(place_of(target, cluster_words(namespace, context)).body())
    Console().print(explanation(training, target))
    return 0


def show_logs(
    target: str, attempt: int | None, host: int | None, every: bool, lines: int, namespace: str | None, context: str | None
) -> int:
    """Print logs of attempts. Returns the exit code. Raises PlaceError and FileError."""
    place = place_of(target, cluster_words(namespace, context))
    training = parse_body(place.body())
    for shown in logs_of(training, attempt, host, every):
        reason = f", {shown.reason}" if shown.reason else ""
        print(f"==> stage {shown.stage_name}, attempt {shown.attempt}, host {shown.host}{reason} <==")
        try:
            text = place.log(job_name(training.metadata.name, shown.stage, shown.attempt), shown.host, shown.pod, lines)
        except PlaceError as error:
            if not every:
                raise
            text = f"no log: {error}\n"
        print(text, end="" if text.endswith("\n") else "\n")
    return 0


def show_timeline(target: str, png: Path | None, namespace: str | None, context: str | None) -> int:
    """Print when attempts ran, and draw it into a file. Returns the exit code. Raises PlaceError, and CommandError without an attempt."""
    training = parse_body(place_of(target, cluster_words(namespace, context)).body())
    shown = timeline(training, datetime.now(UTC))
    Console().print(drawn(shown))
    if png is not None:
        from lwm_cli.timeline_picture import draw_timeline

        try:
            draw_timeline(shown, training.metadata.name, png)
        except OSError as error:
            raise FileError(f"--png {png}: {error.strerror}: give a file that may be written") from error
        print(png)
    return 0


def training_table(bodies: Sequence[Body], now: datetime) -> Table:
    """The columns of `kubectl get lwmt`, a line for each training."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in COLUMNS:
        table.add_column(name, no_wrap=True)
    for body in bodies:
        current = parse_body(body).status
        summary, created = current.summary, datetime.fromisoformat(body["metadata"]["creationTimestamp"])
        table.add_row(
            body["metadata"]["name"],
            summary.stage,
            Text(current.phase.value, STYLES.get(current.phase.value, "")),
            summary.step,
            summary.loss,
            summary.tokens_per_second,
            str(summary.restarts),
            current.reason,
            duration((now - created).total_seconds()),
        )
    return table


def suspend_training(target: str, namespace: str | None, context: str | None) -> int:
    """Set spec.suspend. Returns the exit code. Raises PlaceError."""
    return _change(place_of(target, cluster_words(namespace, context)), lambda _: {"suspend": True})


def resume_training(target: str, namespace: str | None, context: str | None) -> int:
    """Set the fields that let the training go on. Returns the exit code. Raises PlaceError."""
    return _change(place_of(target, cluster_words(namespace, context)), fields_to_resume)


def fields_to_resume(body: Body) -> Body:
    """The fields of spec that let the training go on."""
    training = parse_body(body)
    fields: Body = {"suspend": False}
    if training.status.phase in (Phase.PAUSED, Phase.FAILED):
        fields["resume"] = max(training.spec.resume, training.status.observed_resume) + 1
    return fields


def show_events(target: str, as_json: bool, namespace: str | None, context: str | None) -> int:
    """Print a table of Events. Returns the exit code. Raises PlaceError."""
    listed = place_of(target, cluster_words(namespace, context)).events()
    if as_json:
        print(json.dumps(listed, indent=1, ensure_ascii=False))
        return 0
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("time", "type", "reason", "count", "message"):
        table.add_column(name, no_wrap=name != "message", overflow="fold")
    for event in listed:
        table.add_row(event["time"], event["type"], event["reason"], str(event["count"]), Text(event["message"]))
    Console().print(table)
    return 0


def _change(place: Place, fields: Callable[[Body], Body]) -> int:
    wanted = fields(place.body())
    place.set_spec(wanted)
    print(", ".join(f"spec.{name}: {json.dumps(value)}" for name, value in wanted.items()))
    if hint := place.hint():
        print(hint)
    return 0
