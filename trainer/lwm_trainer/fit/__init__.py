"""Will a stage fit its accelerator, and how long does a step take?

- `estimate/`: arithmetic, pure and without JAX. `flops` has what a step computes, `step_time` the time of each phase with its formula as
  text, `memory_estimate` a coarse sum of what memory holds. The rates of devices are in `lwm_trainer.config.accelerator_families`.
- `compile/`: the compiler's result. `compiler` compiles the real train step for a `target` in a worker process (`compile_worker`) and
  caches the result; `topology` describes TPU devices that are not attached; `hlo`, `memory` and `collectives` read the program.
- `report/`: text, plots, and the estimate beside published step times.

`fit` joins both for one stage. `search` compiles `candidates`, other settings of the stage, until one fits. `recipe` is the published
recipe of LWM as data, and `synthetic_runs` makes run configs without data or storage.
"""
