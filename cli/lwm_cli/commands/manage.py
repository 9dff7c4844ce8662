"""`lwm status`, `suspend`, `resume` and `events`: the same commands for a folder of `lwm train` and for a cluster."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from lwm_cli.commands.run import needs

Function = TypeVar("Function", bound=Callable[..., Any])


def in_cluster(function: Function) -> Function:
    """Add kubectl's options for context and namespace."""
    function = click.option("--context", help="Context of the kubeconfig.")(function)
    return click.option("--namespace", "-n", help="Namespace of the training in the cluster.")(function)


@click.command("status", short_help="Show trainings in a folder of lwm train or in a cluster.")
@click.argument("target", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the objects as JSON.")
@click.option("--all-namespaces", "-A", is_flag=True, help="Trainings of all namespaces of the cluster.")
@in_cluster
@needs("local", "rich")
def status(**options: Any) -> int:
    """Show trainings: TARGET is a folder that `lwm train` has written, or the name of a training in a cluster.

    Without TARGET: all below ./runs, or, with one of the cluster's options, all in the cluster."""
    from lwm_cli.manage import show_status

    return show_status(**options)


@click.command("suspend", short_help="Have a training save a checkpoint and hold.")
@click.argument("target")
@in_cluster
@needs("local", "rich")
def suspend(**options: Any) -> int:
    """Have TARGET, a folder or a name, save a checkpoint and hold its processes. Nothing is charged to a budget."""
    from lwm_cli.manage import suspend_training

    return suspend_training(**options)


@click.command("resume", short_help="Let a training go on that was suspended, Paused or Failed.")
@click.argument("target")
@in_cluster
@needs("local", "rich")
def resume(**options: Any) -> int:
    """Let TARGET, a folder or a name, go on: one that is suspended, and one that was Paused or Failed, with new budgets."""
    from lwm_cli.manage import resume_training

    return resume_training(**options)


@click.command("events", short_help="What happened to a training, oldest first.")
@click.argument("target")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@in_cluster
@needs("local", "rich")
def events(**options: Any) -> int:
    """Show the Events of TARGET, a folder or a name, oldest first."""
    from lwm_cli.manage import show_events

    return show_events(**options)
