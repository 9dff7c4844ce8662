"""`python -m benchmarks.precision`: how far a training step in bfloat16 is from float32, on 1, 2 and 8 CPU devices, for each mesh axis and
each setting that saves memory. Prints a table. 25 programs are compiled: four minutes of one core.
"""

import jax

from benchmarks.precision.step_errors import ALONE, Case, Step, cases, distance, one_step


def main() -> None:
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", 8)
    exact, rounded = one_step(ALONE, "float32"), one_step(ALONE, "bfloat16")
    print("| devices | mesh | memory | from float32 | from one device | loss |\n|---|---|---|---|---|---|")
    print(row(ALONE, rounded, rounded, exact), flush=True)
    for case in cases():
        print(row(case, one_step(case, "bfloat16"), rounded, exact), flush=True)


def row(case: Case, step: Step, rounded: Step, exact: Step) -> str:
    """One case: differences of its gradients from the two on one device, relative to the norm of the float32 ones, and of its loss."""
    mesh, memory = (
        ", ".join(f"{name} {value}" for name, value in settings.model_dump(exclude_defaults=True).items()) or "default"
        for settings in (case.mesh, case.memory)
    )
    figures = (distance(step, exact, exact), distance(step, rounded, exact), abs(step.loss / exact.loss - 1))
    return f"| {case.mesh.size} | {mesh} | {memory} | {' | '.join(f'{figure:.2e}' for figure in figures)} |"


if __name__ == "__main__":
    main()
