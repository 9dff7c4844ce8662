"""From nothing to a finished training on this machine: cluster, images, chart, data, training, picture."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cluster import images, lifecycle, load
from cluster.paths import Cluster, binaries
from cluster.run import ClusterError
from quickstart.install import install
from quickstart.kubectl import CommandError, Kubectl
from quickstart.learned import Verdict, judge, same_tokens_entropy
from quickstart.picture import draw
from quickstart.record import StageRecord, read_stage
from quickstart.storage import example_objects, upload
from quickstart.times import Times
from quickstart.training import EXAMPLE, apply_anew, evidence, name_of, run_config
from quickstart.watch import TrainingError, stage_seconds, watch

PICTURE = Path(__file__).resolve().parents[1] / "build" / "quickstart" / "loss.png"


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 when the training is complete and has learned."""
    options = _parser().parse_args(arguments)
    cluster, times, name = Cluster(options.name), Times(), name_of(EXAMPLE)
    kubectl = Kubectl(cluster.kubeconfig, program=str(binaries() / "kubectl"))
    try:
        _prepare(cluster, times)
        if not (options.keep and kubectl.get("lwmtraining", name)):
            apply_anew(kubectl, EXAMPLE)
        training = watch(kubectl, name, options.timeout * 60)
        times.seconds |= {f"stage {number}": taken for number, taken in enumerate(stage_seconds(training), start=1)}
        with times.part("reading"):
            stages, verdict = _read_back(kubectl, training, cluster.storage_url)
            growth = f"{stages[0].context_length:,} to {stages[-1].context_length:,}"
            draw(stages, verdict.entropy, PICTURE, f"{name}: one training, its context grown from {growth} tokens")
    except TrainingError as error:
        print(f"\n{evidence(kubectl, name)}\nerror: {error}")
        return 1
    except (ClusterError, CommandError, ValueError) as error:
        print(f"\nerror: {error}")
        return 1
    _tell(cluster, name, stages, verdict, times)
    return 0 if verdict.learned else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="quickstart", description=__doc__)
    parser.add_argument("--name", default="lwm-quickstart", help="of the cluster (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="follow the training that is already there instead of starting anew")
    parser.add_argument("--timeout", type=float, default=30, metavar="MINUTES", help="for the training (default: %(default)g)")
    return parser


def _prepare(cluster: Cluster, times: Times) -> None:
    """Cluster, images, data and operator, each left as it is where it is there already."""
    with times.part("cluster"):
        lifecycle.up(cluster)
    with times.part("images"):
        built = images.build()
        load.into(cluster, [archive for _, archive in built])
    operator, trainer = (image for image, _ in built)
    with times.part("data"):
        upload(example_objects(), endpoint=cluster.storage_url)
    with times.part("chart"):
        install(cluster.kubeconfig, operator, trainer, helm=str(binaries() / "helm"))


def _read_back(kubectl: Kubectl, training: dict[str, Any], endpoint: str) -> tuple[list[StageRecord], Verdict]:
    """Each stage's record from its final checkpoint, and the verdict on the last."""
    finished = training["status"]["stages"]
    stages = [read_stage(stage["finalCheckpoint"]["path"], endpoint) for stage in finished]
    config = run_config(kubectl, training["metadata"]["name"], len(finished), finished[-1]["attempts"])
    return stages, judge(stages[-1].losses, same_tokens_entropy(config, stages[-1].tokens_hash, endpoint))


def _tell(cluster: Cluster, name: str, stages: Sequence[StageRecord], verdict: Verdict, times: Times) -> None:
    print("\nCheckpoints, one a stage:")
    for stage in stages:
        print(f"  {stage.name:<10} loss {stage.losses[0]:.3f} -> {stage.losses[-1]:.3f}  {stage.checkpoint}")
    print(f"\nPicture: {PICTURE}\n{verdict}\n\n{times.table()}")
    print(f"""
Look around (these work as pasted):
  export KUBECONFIG={cluster.kubeconfig} PATH={binaries()}:$PATH
  kubectl get lwmt -o wide
  kubectl describe lwmt {name}
  kubectl get jobs,pods -o wide -l lwm.dev/training={name}
  kubectl logs -l lwm.dev/stage={len(stages)} --prefix --tail=5
  kubectl -n lwm-system logs deployment/lwm-operator --tail=20

Take it down:
  make cluster-down NAME={cluster.name}""")
