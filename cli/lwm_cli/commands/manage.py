"""The commands that look at trainings and steer them, the same for a folder of `lwm train` and for a cluster."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from lwm_cli.commands.run import needs, require

Function = TypeVar("Function", bound=Callable[..., Any])


def in_cluster(function: Function) -> Function:
    """Add kubectl's options for context and namespace."""
    function = click.option("--context", help="Context of the kubeconfig.")(function)
    return click.option("--namespace", "-n", help="Namespace of the training in the cluster.")(function)


@click.command("status", short_help="Show trainings in a folder of lwm train or in a cluster.")
@click.argument("target", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the objects as JSON.")
@click.option("--all-namespaces", "-A", is_flag=True, help="Trainings of all namespaces of the cluster.")
@click.option("--watch", "-w", is_flag=True, help="Show TARGET until it completes (exit code 0), or fails or pauses (1).")
@in_cluster
@needs("local", "rich")
def status(target: str | None, watch: bool, namespace: str | None, context: str | None, **options: Any) -> int:
    """Show trainings: TARGET is a folder that `lwm train` has written, or the name of a training in a cluster.

    Without TARGET: `lwm` shows all below ./runs or, with one of the cluster's options, all in the cluster; `kubectl lwm` those in the
    cluster."""
    from lwm_cli.manage import show_status, watch_status

    if watch:
        if target is None or options["as_json"]:
            raise click.UsageError("--watch needs TARGET, and shows it on the screen: leave out --json")
        return watch_status(target, namespace, context)
    is_plugin = click.get_current_context().find_root().command.name == "kubectl lwm"
    return show_status(target=target, in_cluster=is_plugin, namespace=namespace, context=context, **options)


@click.command("why", short_help="Why a training is where it is: root cause and what to do, on one screen.")
@click.argument("target")
@in_cluster
@needs("local", "rich")
def why(**options: Any) -> int:
    """Show why TARGET, a folder or a name, is where it is: the reason in words, the root cause of the last failure, and what to do."""
    from lwm_cli.manage import explain

    return explain(**options)


@click.command("logs", short_help="The log of the host that failed first, or of another one.")
@click.argument("target")
@click.option("--attempt", type=click.IntRange(1), metavar="N", help="Of the newest stage. Default: the newest that failed, or the newest.")
@click.option("--host", type=click.IntRange(0), metavar="N", help="Default: the host of the root cause, or 0.")
@click.option("--all", "every", is_flag=True, help="All attempts that the status has, oldest first.")
@click.option("--lines", type=click.IntRange(1), default=50, show_default=True, metavar="N", help="Last lines of each log.")
@in_cluster
@needs("local", "rich")
def logs(**options: Any) -> int:
    """Show logs of TARGET, a folder or a name: of the host that an attempt's root cause names."""
    if options["every"] and options["attempt"] is not None:
        raise click.UsageError("give --all or --attempt, not both")
    from lwm_cli.manage import show_logs

    return show_logs(**options)


@click.command("timeline", short_help="When attempts ran, what they kept, and the goodput.")
@click.argument("target")
@click.option("--png", type=click.Path(path_type=Path, dir_okay=False), help="Draw it into this file, too.")
@in_cluster
@needs("local", "rich")
def timeline(png: Path | None, **options: Any) -> int:
    """Show when the attempts of TARGET, a folder or a name, ran, which of their steps were kept, and the share of the time that counts."""
    if png is not None:
        require("fit", "matplotlib")
    from lwm_cli.manage import show_timeline

    return show_timeline(png=png, **options)


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


@click.command("open", short_help="Open a served model's page in the browser, through a port of this machine.")
@click.argument("service", default="lwm-serve")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Port of this machine.")
@click.option("--browser/--no-browser", default=True, help="Open the page, too. Default: open it.")
@in_cluster
@needs("local", "rich")
def open_page(service: str, port: int, browser: bool, namespace: str | None, context: str | None) -> int:
    """Forward a port of this machine to SERVICE, a model that is served in the cluster (examples/serve.yaml: lwm-serve), until Ctrl-C."""
    from lwm_cli.open_server import open_server

    return open_server(service, port, browser, namespace, context)
