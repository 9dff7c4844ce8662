"""When a stage is validated."""

from lwm_trainer.config import Dataset, Validation

HELD_OUT = Dataset(name="held-out", uri="gs://lwm/held-out")


def test_the_last_step_is_always_validated_and_others_at_their_interval() -> None:
    at_the_end = Validation(datasets=(HELD_OUT,), batches=1)
    regular = at_the_end.model_copy(update={"interval_steps": 4})
    assert [done for done in range(11) if at_the_end.due(done, 10)] == [10]
    assert [done for done in range(11) if regular.due(done, 10)] == [4, 8, 10]
