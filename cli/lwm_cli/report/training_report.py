"""A report of a training, out of its object, its Events and its checkpoints."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from lwm_cli.places import Body
from lwm_cli.timeline import Timeline, timeline
from lwm_operator.api.stage_status import StageStatus
from lwm_operator.api.status import Status
from lwm_operator.api.training import Training
from lwm_operator.plan.formatting import duration
from lwm_trainer.config.command_line import version
from lwm_trainer.report.checkpoints import StageRecord, manifest_facts
from lwm_trainer.report.contents import AttemptRow, Evaluation, EventRow, Report, StageRow, TimeShare, Verdict, tone
from lwm_trainer.report.curves import loss_curve

HIDDEN = "… (left out of the report)"


def training_report(
    body: Body,
    training: Training,
    events: Sequence[Body],
    records: Mapping[str, StageRecord],
    evaluations: Sequence[Evaluation],
    notes: Sequence[str],
    now: datetime,
) -> Report:
    """Put the report together.

    Args:
        body: the object as it is stored.
        records: those of the stages that have a checkpoint, by the stage's name.
        notes: what could not be read, and why.
    """
    status = training.status
    entries = {entry.name: entry for entry in status.stages}
    stages = [entries.get(stage.name) or StageStatus(name=stage.name) for stage in training.spec.stages]
    losses = [(entry.name, records[entry.name].losses) for entry in stages if entry.name in records]
    tokens = sum(entry.step * stage.batch_tokens for entry, stage in zip(stages, training.spec.stages, strict=True))
    tokenizer = training.spec.tokenizer.uri
    spent = timeline(training, now) if any(attempt.started_at for entry in stages for attempt in entry.recent_attempts) else None
    failed = sum(sum(entry.failures.model_dump().values()) for entry in stages)
    return Report(
        title=training.metadata.name,
        made=f"{now:%Y-%m-%d %H:%M} UTC",
        verdict=Verdict(status.phase.value, tone(status.phase.value), _sentence(status)),
        figures=(
            ("stages complete", f"{sum(entry.state.value == 'Complete' for entry in stages)} of {len(stages)}"),
            ("tokens trained", f"{tokens:,}"),
            ("newest loss", next((entry.loss for entry in reversed(stages) if entry.loss), "none yet")),
            ("failed attempts", str(failed)),
            *((("goodput", f"{spent.goodput:.0%}"),) if spent is not None else ()),
        ),
        stages=tuple(_stage_row(training, entry, records.get(entry.name), now) for entry in stages),
        loss=loss_curve(losses),
        attempts=tuple(row for entry in stages for row in _attempt_rows(entry, now)),
        time=tuple(_time_shares(spent)) if spent is not None else (),
        events=tuple(EventRow(event["time"], event["type"], event["reason"], event["count"], event["message"]) for event in events),
        evaluations=tuple(evaluations),
        provenance=_provenance(training, body, stages, records),
        commands=(
            ("Train it again, from the spec below", "lwm train spec.json --out again"),
            ("Answer a prompt", f"lwm sample {training.run_root} --tokenizer {tokenizer} --prompt '…'"),
            *((f"Evaluate: {each.title}", f"{each.command} --tokenizer {tokenizer}") for each in evaluations),
        ),
        spec=_manifest(body),
        notes=(*notes, *_missing(stages)),
    )


def _time_shares(spent: Timeline) -> Iterator[TimeShare]:
    """The parts of the time of the attempts that the status still has, from one second on."""
    for name, seconds in sorted(spent.split.items(), key=lambda part: -part[1]):
        if seconds >= 1:
            yield TimeShare(name, duration(seconds), 100 * seconds / spent.seconds)


def _sentence(status: Status) -> str:
    """The reason, where it says more than the phase, and the message."""
    reason = status.reason if status.reason != status.phase.value else ""
    return ": ".join(filter(None, [reason, status.message]))


def _stage_row(training: Training, entry: StageStatus, record: StageRecord | None, now: datetime) -> StageRow:
    stage = next(stage for stage in training.spec.stages if stage.name == entry.name)
    return StageRow(
        name=entry.name,
        state=entry.state.value,
        tone=tone(entry.state.value),
        context=f"{stage.context_length:,}",
        theta=f"{stage.rope_theta:,.0f}",
        steps=f"{entry.step:,} of {stage.total_steps:,}",
        first_loss=f"{record.losses[0]:.4f}" if record and record.losses else "",
        last_loss=entry.loss or "",
        validation=", ".join(filter(None, [entry.validation_loss, *_gate(entry)])),
        tokens_per_second=f"{float(entry.tokens_per_second):,.0f}" if entry.tokens_per_second else "",
        took=_took(entry.started_at, entry.completed_at, now),
        restarts=str(entry.restarts),
    )


def _gate(entry: StageStatus) -> list[str]:
    """What came of the gate, and the score of each of its suites with the one that it asks for."""
    scores = [f"{each.suite} {each.score} of {each.min_score}" for each in entry.gate_suites]
    return [*scores, *([f"gate {entry.gate.value}"] if entry.gate else [])]


def _attempt_rows(entry: StageStatus, now: datetime) -> list[AttemptRow]:
    rows = []
    for attempt in sorted(entry.recent_attempts, key=lambda attempt: attempt.number):
        cause = attempt.root_cause
        place = (
            ""
            if cause is None
            else ", ".join(
                text
                for text in (f"host {cause.host}" if cause.host is not None else "", f"node {cause.node}" if cause.node else "")
                if text
            )
        )
        rows.append(
            AttemptRow(
                stage=entry.name,
                number=attempt.number,
                state=attempt.state.value,
                tone=tone(attempt.state.value),
                steps=f"{attempt.from_step:,} to {attempt.step:,}",
                committed=f"{attempt.committed_step:,}" if attempt.committed_step else "none",
                started=attempt.started_at or "",
                took=_took(attempt.started_at, attempt.finished_at, now),
                reason="" if cause is None else f"{cause.reason} ({cause.failure_class.value})",
                message="" if cause is None else ": ".join(filter(None, [place, cause.message])),
            )
        )
    return rows


def _took(started: str | None, ended: str | None, now: datetime) -> str:
    if started is None:
        return ""
    end = now if ended is None else datetime.fromisoformat(ended)
    return duration((end.astimezone(UTC) - datetime.fromisoformat(started).astimezone(UTC)).total_seconds())


def _provenance(
    training: Training, body: Body, stages: Sequence[StageStatus], records: Mapping[str, StageRecord]
) -> tuple[tuple[str, str], ...]:
    spec = json.dumps(body["spec"], sort_keys=True, separators=(",", ":")).encode()
    facts = [
        ("training", f"{training.metadata.namespace}/{training.metadata.name}, uid {training.metadata.uid}"),
        ("SHA-256 of the spec", hashlib.sha256(spec).hexdigest()),
        ("checkpoints", training.run_root),
        ("LWM operator", version()),
    ]
    newest = [records[entry.name] for entry in stages if entry.name in records][-1:]
    facts += [fact for record in newest for fact in manifest_facts(record.manifest)]
    for entry in stages:
        if (final := entry.final_checkpoint) is not None:
            facts += [
                (f"{entry.name}: final checkpoint", final.path),
                (f"{entry.name}: hash of the state", final.state_hash),
                (f"{entry.name}: hash of the record", final.record_hash),
            ]
        elif entry.name in records:
            facts.append((f"{entry.name}: newest checkpoint", records[entry.name].folder))
    return tuple(facts)


def _missing(stages: Sequence[StageStatus]) -> list[str]:
    """What the status does not list any more."""
    older = {entry.name: entry.attempts - len(entry.recent_attempts) for entry in stages}
    return [f"{name}: {count} older attempts are counted, but no longer listed by the status" for name, count in older.items() if count > 0]


def _manifest(body: Body) -> str:
    """The object as a file that `lwm train` and kubectl read: JSON is YAML."""
    about = {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": {"name": body["metadata"]["name"]}}
    return json.dumps({**about, "spec": _shown(body["spec"])}, indent=1, ensure_ascii=False)


def _shown(spec: Any) -> Any:
    """The spec without the values of environment variables, which may be secrets."""
    if isinstance(spec, list):
        return [_shown(value) for value in spec]
    if not isinstance(spec, dict):
        return spec
    return {
        name: [{**variable, "value": HIDDEN} if "value" in variable else variable for variable in value]
        if name == "env" and isinstance(value, list)
        else _shown(value)
        for name, value in spec.items()
    }
