"""From an accelerator of the spec to what the compiler is asked for."""

from lwm_operator.api.accelerator import Accelerator
from lwm_trainer.fit.compile.target import Target

NO_COMPILER = "a GPU program cannot be compiled without a GPU: memory arithmetic only"


def target_of(accelerator: Accelerator) -> Target | None:
    """None for GPUs. `plan.accept` has already said that family and topology exist (`lwm_operator.platforms`)."""
    match accelerator.type:
        case "tpu" if accelerator.tpu is not None:
            return Target(platform="tpu", topology=f"{accelerator.tpu.family}:{accelerator.tpu.topology}")
        case "cpu":
            return Target(platform="cpu")
        case _:
            return None
