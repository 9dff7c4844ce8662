"""A sample of the soak: five random kills, and the same result as an undisturbed training. `make soak` makes a hundred."""

import random

from e2e import kills
from e2e.trainings import complete, ends, manifest, stages
from quickstart.kubectl import Kubectl

KILLS = 5


def test_five_random_kills_change_nothing(kubectl: Kubectl, calm: str) -> None:
    kubectl.apply(manifest("gusty", checkpoint=kills.checkpoint(), **kills.SPEC))
    hit = kills.run(kubectl, "gusty", KILLS, random.Random(5))
    assert sum(hit.values()) == KILLS
    complete(kubectl, "gusty", calm)
    assert ends(kubectl, "gusty") == ends(kubectl, calm)
    of_trainers = sum(times for victim, times in hit.items() if victim.startswith("host"))
    assert sum(stage["attempts"] - 1 for stage in stages(kubectl, "gusty")) == of_trainers, "each kill of a trainer cost one attempt"
