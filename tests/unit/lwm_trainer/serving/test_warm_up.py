"""After the warm-up no request of the common kinds compiles anything."""

from collections.abc import Sequence
from typing import Any

from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import Filters, Settings
from lwm_trainer.serving.warm_up import warm_up
from support.served_model import CONTEXT, tiny_generator


def test_no_prompt_compiles_a_program_after_it() -> None:
    generator = tiny_generator(rows=2)
    warm_up(generator)
    assert generator.cache_use == 0
    compiled, steps = generator.engine.programs, generator._steps
    programs: Sequence[Any] = (compiled.prefill, compiled.logits, compiled.copy_row, steps.join, steps.leave, steps.next)
    sizes = [program._cache_size() for program in programs]
    assert all(sizes)
    for letters in (1, 40, CONTEXT - 40):
        prompt = generator.vocabulary.prompt("a" * letters)
        for filters in (Filters(), Filters(temperature=0.5, top_k=3, top_p=0.9)):
            request = Request(prompt, Settings(max_tokens=4, stop_ids=(3,), text=filters))
            for requests in ([request], [request] * 2):
                for _ in generator.generate(requests):
                    pass
    assert [program._cache_size() for program in programs] == sizes
