"""Will it fit, and how long does a step take? Arithmetic on a run config: pure, without JAX and without an accelerator.

Read in this order: `chips` (what the TPU families have), `flops` (what a step computes), `estimate` (how long each phase takes, with its
formula as text), `published` (the estimate beside step times that others have published), `guess` (what memory holds, coarsely),
`candidates` (other meshes and memory settings of the same stage, fastest first), `picture` (bars of `records`; needs matplotlib).
"""
