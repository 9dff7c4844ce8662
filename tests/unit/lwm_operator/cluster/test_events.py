import re

from lwm_operator.cluster.events import event_name
from lwm_operator.plan.actions import Event
from simulation.builders import training
from simulation.simulation import Simulation


def test_names_are_deterministic_and_differ_by_training_and_key() -> None:
    about = training().metadata
    other = about.model_copy(update={"uid": "another"})
    event = Event(reason="StageStarted", message="m", key="StageStarted/1", order="s01-a00000-0")
    assert event_name(about, event) == event_name(about, event)
    assert event_name(about, event) != event_name(other, event)
    assert event_name(about, event) != event_name(about, Event(reason="StageStarted", message="m", key="StageStarted/2", order=event.order))


def test_event_names_sort_in_the_order_of_events() -> None:
    simulation = Simulation(training())
    events = list(simulation.reconcile().events)
    simulation.start()
    events += simulation.reconcile().events
    simulation.train(60, commit=True)
    events += simulation.reconcile().events
    simulation.finish()
    events += simulation.reconcile().events
    names = [event_name(simulation.training.metadata, event) for event in events]
    assert names == sorted(names)
    assert len(set(names)) == len(names) == 5
    assert all(re.fullmatch(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?", name) for name in names)
