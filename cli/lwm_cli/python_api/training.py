"""`lwm.Training`: one training of this machine or of a cluster."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Self, cast

from pydantic import BaseModel

from lwm_cli.edits import Edit, parse_edit
from lwm_cli.errors import CommandError, FileError, PlaceError
from lwm_cli.local.folder import RUNS, TRAINING, TrainingFolder
from lwm_cli.local.manifest import all_of, checkpoints_below, local_problems, path_reader
from lwm_cli.manage import ENDED, fields_to_resume
from lwm_cli.places import Body, ClusterPlace, FolderPlace, Place, cluster_words, parse_body, place_of, run_kubectl
from lwm_cli.python_api.child_processes import read_rows, start_lwm_train
from lwm_cli.python_api.views import Checkpoint, Event, Step
from lwm_cli.status_table import headline
from lwm_cli.training import load_object, parse_text
from lwm_operator.api.names import API_VERSION, KIND
from lwm_operator.api.spec import Spec
from lwm_operator.api.status import Phase, Status
from lwm_operator.api.training import Training as Resource

POLL_SECONDS = 1.0
CLUSTER_POLL_SECONDS = 5.0


class StoppedError(CommandError):
    """The training is Failed or Paused, or nothing works on it any more. `status` is its last one."""

    def __init__(self, message: str, status: Status) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Cluster:
    """A cluster that kubectl reaches; None: kubectl's own default."""

    namespace: str | None = None
    context: str | None = None

    @property
    def words(self) -> list[str]:
        """kubectl's options."""
        return cluster_words(self.namespace, self.context)


class Training:
    """A training, in a folder of this machine or in a cluster. Made by `from_file`, `from_fields` or `at`.

    Methods that look at it or steer it raise PlaceError where there is no such training, or its place does not answer.
    """

    def __init__(self, name: str, place: Place, given: Body | None = None, out: Path | None = None) -> None:
        """Use one of the class methods."""
        self.name = name
        """metadata.name."""
        self._place = place
        self._given = given
        self._out = out

    @classmethod
    def from_file(
        cls,
        file: str | Path,
        *,
        settings: Mapping[str, object] | None = None,
        out: str | Path | None = None,
        cluster: Cluster | None = None,
    ) -> Self:
        """The LWMTraining in a file, checked as `lwm train` and the API server check it. Nothing runs before `apply`.

        Args:
            settings: fields of spec in place of the file's, by path, as in `{"stages[0].steps": 10, "seed": 1}`; None removes a field.
            out: folder of status, logs and checkpoints. Without it: `runs/NAME`, and checkpoints where the file says.
            cluster: where it trains; None: on this machine.

        Raises FileError, which names file, line and field.
        """
        path = Path(file)
        folder = None if out is None else Path(out)
        edits = _edits(settings or {}, folder, cluster)
        return cls._made(*load_object(path, all_of(edits), None if cluster else path_reader(path.parent)), folder, cluster)

    @classmethod
    def from_fields(
        cls, name: str, spec: Mapping[str, object] | Spec, *, out: str | Path | None = None, cluster: Cluster | None = None
    ) -> Self:
        """A training out of the fields of its spec, named as in a file (`contextLength`). `file:` addresses are relative to the folder
        in which Python runs.

        Args:
            spec: fields of spec; values may be models of `lwm_operator.api`.
            out: folder of status, logs and checkpoints. Without it: `runs/NAME`, and checkpoints where the spec says.
            cluster: where it trains; None: on this machine.

        Raises FileError, which names the field.
        """
        try:
            text = json.dumps({"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}, default=_as_json)
        except (TypeError, ValueError) as error:
            raise FileError(f"training {name}: spec: {error}: give values that JSON can express") from error
        folder = None if out is None else Path(out)
        edits, reader = _edits({}, folder, cluster), None if cluster else path_reader(Path())
        return cls._made(*parse_text(text, f"training {name}", all_of(edits), reader, lambda file, _: file), folder, cluster)

    @classmethod
    def at(cls, target: str | Path, *, cluster: Cluster | None = None) -> Self:
        """A training that is there: a folder of `lwm train` or, with `cluster`, the name of one in it. Raises PlaceError."""
        if cluster is not None:
            return cls(str(target), ClusterPlace(str(target), cluster.words))
        if not (Path(target) / TRAINING).exists():
            raise PlaceError(f"{target}: no lwm train has written there: give the folder that it named, or a cluster")
        place = place_of(str(target))
        return cls(str(place.body()["metadata"]["name"]), place)

    @classmethod
    def _made(cls, training: Resource, body: Body, out: Path | None, cluster: Cluster | None) -> Self:
        name = training.metadata.name
        if cluster is not None:
            return cls(name, ClusterPlace(name, cluster.words), body)
        folder = out or RUNS / name
        if training.spec.checkpoint.pvc is not None:
            raise FileError("spec.checkpoint.pvc: the claim exists only in a cluster: give out, the folder for checkpoints, or a cluster")
        if problems := local_problems(training.spec):
            fix = 'In Python, settings have what options have: {"tokenizer": {"uri": "file:/path"}, "datasets[NAME].source": {"uri": …}}'
            raise FileError("\n".join([*problems, *([fix] if any("--" in each for each in problems) else [])]))
        spec = training.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
        return cls(name, FolderPlace(folder), {**body, "spec": spec}, out)

    def apply(self) -> Self:
        """Have it trained, and return at once: by a `lwm train` of its own, which outlives this Python, or by the cluster's operator.

        One that was left goes on where it stopped; one that was Paused or Failed here goes on with new budgets.

        Raises FileError with the command's sentences, such as for a folder on which a `lwm train` works, and PlaceError.
        """
        if self._given is None:
            raise FileError(f"{self.name} was found, not made: there is nothing to apply: use from_file or from_fields, or resume")
        text = json.dumps(self._given)
        if isinstance(self._place, ClusterPlace):
            run_kubectl("apply", "--filename=-", *self._place.words, text=text)
        else:
            start_lwm_train(text, self._folder(), self._out)
        return self

    def wait(self, timeout: float | None = None, *, show: Callable[[str], object] | None = None) -> Status:
        """Wait until it is Complete, and return its status.

        Args:
            timeout: seconds; None: for ever.
            show: called with phase, reason and message in a line whenever these change, such as `print`.

        Raises StoppedError once it is Failed or Paused, or where nothing works on it, and TimeoutError.
        """
        end, shown = None if timeout is None else time.monotonic() + timeout, ""
        in_cluster = isinstance(self._place, ClusterPlace)
        while True:
            working = in_cluster or self._folder().in_use  # looked at before the status, which may be the last one
            resource = self._resource()
            status, line = resource.status, headline(resource)
            if show is not None and line != shown:
                show(line)
                shown = line
            has_ended = status.phase in ENDED and status.observed_generation >= resource.metadata.generation
            if not working or (in_cluster and has_ended):
                if status.phase == Phase.COMPLETE:
                    return status
                rest = "" if status.phase in ENDED else ": no lwm train works on it: apply goes on"
                raise StoppedError(f"{self.name}: {line}{rest}", status)
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"{self.name}: after {timeout:g} s: {line}")
            time.sleep(CLUSTER_POLL_SECONDS if in_cluster else POLL_SECONDS)

    def status(self) -> Status:
        """Phase, reason, stages and all else that `lwm status` shows."""
        return self._resource().status

    def events(self) -> list[Event]:
        """What happened, oldest first."""
        return cast("list[Event]", [{name: event[name] for name in Event.__annotations__} for event in self._place.events()])

    def checkpoints(self) -> list[Checkpoint]:
        """The committed step folders of all attempts, by stage, attempt and step.

        Raises Error where they cannot be read from this machine, such as those of a claim.
        """
        return cast("list[Checkpoint]", self._read("checkpoints"))

    def record(self) -> list[Step]:
        """Every committed step of every stage: loss, gradient norm, tokens, time. `pandas.DataFrame` takes it.

        A kill leaves neither gaps nor steps twice. Raises Error where checkpoints cannot be read from this machine.
        """
        return cast("list[Step]", self._read("record"))

    def suspend(self) -> None:
        """Have it save a checkpoint and hold."""
        self._place.set_spec({"suspend": True})

    def resume(self) -> None:
        """Let it go on that was suspended, Paused or Failed. On this machine, `apply` does that where no `lwm train` works on it."""
        self._place.set_spec(fields_to_resume(self._place.body()))

    def _folder(self) -> TrainingFolder:
        assert isinstance(self._place, FolderPlace)  # noqa: S101 - the other place is a cluster
        return TrainingFolder(self._place.path)

    def _resource(self) -> Resource:
        return parse_body(self._place.body())

    def _read(self, what: str) -> list[dict[str, Any]]:
        body = self._place.body()
        claim = body["spec"]["checkpoint"].get("pvc")
        if claim is not None:
            raise PlaceError(f"{self.name}: its checkpoints are on the claim {claim['claimName']}, which only pods see: read them there")
        return read_rows(what, body)


def _edits(settings: Mapping[str, object], out: Path | None, cluster: Cluster | None) -> list[Edit]:
    """The changes of what is given. Raises FileError."""
    if out is not None and cluster is not None:
        raise FileError("out is a folder of this machine: leave it out with a cluster, or the cluster")
    edits = []
    for path, value in settings.items():
        if "=" in str(path):
            raise FileError(f"settings: {path}: give the path as a key, such as stages[0].steps, and what it is set to as its value")
        try:
            edits.append(parse_edit(f"{path}={json.dumps(value, default=_as_json)}"))
        except (TypeError, ValueError) as error:
            raise FileError(f"settings: {path}: {error}: give a value that JSON can express") from error
    return edits if out is None else [*edits, *checkpoints_below(out)]


def _as_json(value: object) -> object:
    """What JSON has in place of models, paths and NumPy's numbers. Raises TypeError for anything else."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    raise TypeError(f"{value!r} is no value of a spec")
