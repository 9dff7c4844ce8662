"""Will it fit, and how long does a step take?

Arithmetic, pure and without JAX: `flops` (what a step computes), `estimate` (how long each phase takes, with its formula as text), `runs`
and `published` (the estimate beside step times that others have published), `guess` (what memory holds, coarsely), `candidates` (other
meshes and memory settings of the same stage, fastest first).

The compiler: `target`, `topology`, `child` (one program, in a process of its own), `program`, `memory` and `wire` (read from it),
`compiled` (asks, and keeps the answers). Both together: `fit`, `search`, `report`, `picture`, `recipe`, `recipe_page`.
"""
