"""`lwm status`, `suspend`, `resume` and `events`: the same commands for a folder of `lwm train` and for a cluster."""

import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lwm_cli.commands import run
from lwm_cli.places import Body, Place, PlaceError, cluster_bodies, local_places, parse_body, place_of
from lwm_cli.status_table import STYLES, stage_table
from lwm_operator.api.status import Phase
from lwm_operator.plan.formatting import duration

COLUMNS = ("name", "stage", "phase", "step", "loss", "tok/s", "restarts", "reason", "age")

Function = TypeVar("Function", bound=Callable[..., Any])


def _in_cluster(function: Function) -> Function:
    """Add kubectl's options for context and namespace."""
    function = click.option("--context", help="Context of the kubeconfig.")(function)
    return click.option("--namespace", "-n", help="Namespace of the training in the cluster.")(function)


@click.command("status")
@click.argument("target", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the objects as JSON.")
@click.option("--all-namespaces", "-A", is_flag=True, help="Trainings of all namespaces of the cluster.")
@_in_cluster
def status(target: str | None, as_json: bool, all_namespaces: bool, namespace: str | None, context: str | None) -> int:
    """Show trainings: TARGET is a folder that `lwm train` has written, or the name of a training in a cluster.

    Without TARGET: all below ./runs, or, with one of the cluster's options, all in the cluster."""
    words = [*_words(namespace, context), *(["--all-namespaces"] if all_namespaces else [])]
    if target is not None:
        bodies = [place_of(target, words).body()]
    else:
        bodies = cluster_bodies(words) if words else [place.body() for place in local_places()]
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


@click.command("suspend")
@click.argument("target")
@_in_cluster
def suspend(target: str, namespace: str | None, context: str | None) -> int:
    """Have TARGET, a folder or a name, save a checkpoint and hold its processes. Nothing is charged to a budget."""
    return _change(place_of(target, _words(namespace, context)), lambda _: {"suspend": True})


@click.command("resume")
@click.argument("target")
@_in_cluster
def resume(target: str, namespace: str | None, context: str | None) -> int:
    """Let TARGET, a folder or a name, go on: one that is suspended, and one that was Paused or Failed, with new budgets."""
    return _change(place_of(target, _words(namespace, context)), fields_to_resume)


def fields_to_resume(body: Body) -> Body:
    """The fields of spec that let the training go on."""
    training = parse_body(body)
    fields: Body = {"suspend": False}
    if training.status.phase in (Phase.PAUSED, Phase.FAILED):
        fields["resume"] = max(training.spec.resume, training.status.observed_resume) + 1
    return fields


@click.command("events")
@click.argument("target")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@_in_cluster
def events(target: str, as_json: bool, namespace: str | None, context: str | None) -> int:
    """Show the Events of TARGET, a folder or a name, oldest first."""
    listed = place_of(target, _words(namespace, context)).events()
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


def _words(namespace: str | None, context: str | None) -> list[str]:
    return [*([f"--namespace={namespace}"] if namespace else []), *([f"--context={context}"] if context else [])]


def _change(place: Place, fields: Callable[[Body], Body]) -> int:
    wanted = fields(place.body())
    place.set_spec(wanted)
    print(", ".join(f"spec.{name}: {json.dumps(value)}" for name, value in wanted.items()))
    if hint := place.hint():
        print(hint)
    return 0


COMMANDS = {"status": status, "suspend": suspend, "resume": resume, "events": events}


def main(name: str, arguments: list[str]) -> int:
    """Returns the exit code: 0, or 1 where there is no such training or its place does not answer, 2 for wrong arguments."""
    try:
        return run(COMMANDS[name], f"lwm {name}", arguments)
    except PlaceError as error:
        print(error, file=sys.stderr)
        return 1
