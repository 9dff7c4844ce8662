"""`python -m lwm_cli.harness`: lm-evaluation-harness with a model of ours, `--model lwm --model_args checkpoint=PLACE`.

It is the harness's own command with one more model, so its tasks, options and files are the harness's (docs/guides/evaluate.md).
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from lwm_cli.generation_options import take_generator
from lwm_trainer.evaluation.harness_requests import harness_requests
from lwm_trainer.sampling.chunk_sizes import CHUNK

try:
    from lm_eval.__main__ import cli_evaluate
    from lm_eval.api.instance import Instance
    from lm_eval.api.model import LM
    from lm_eval.api.registry import register_model
except ModuleNotFoundError as error:
    sys.exit(f"python -m lwm_cli.harness needs {error.name}: pip install lm-eval==0.4.13 (docs/guides/evaluate.md)")

Result = TypeVar("Result")


@register_model("lwm")
class LwmModel(LM):  # type: ignore[misc]  # the package is not installed where types are checked
    """The model in a checkpoint, as `lwm sample` takes it, on all devices of this machine."""

    def __init__(
        self,
        checkpoint: str,
        stage: str | None = None,
        tokenizer: str | None = None,
        context: int | None = None,
        dtype: str | None = None,
        chunk: int = CHUNK,
        **harness: Any,  # noqa: ARG002 - batch_size, device and max_batch_size, which the harness always gives
    ) -> None:
        """The options are those of `lwm sample`. Raises what loading raises."""
        super().__init__()
        options: dict[str, Any] = {"checkpoint": checkpoint, "stage": stage, "tokenizer": tokenizer, "context": context, "dtype": dtype}
        options |= {"chunk": chunk, "mesh": None, "tokens_per_frame": None, "codebook_size": None}
        self._requests = harness_requests(take_generator(options, reserve=False))

    def loglikelihood(self, requests: Sequence[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:  # noqa: ARG002
        return self._answer("loglikelihood", requests, self._requests.log_likelihood)

    def loglikelihood_rolling(self, requests: Sequence[Instance], disable_tqdm: bool = False) -> list[float]:  # noqa: ARG002
        return self._answer("loglikelihood_rolling", requests, self._requests.text_log_likelihood)

    def generate_until(self, requests: Sequence[Instance], disable_tqdm: bool = False) -> list[str]:  # noqa: ARG002
        return self._answer("generate_until", requests, self._requests.answer)

    def _answer(self, kind: str, requests: Sequence[Instance], answer: Callable[..., Result]) -> list[Result]:
        answers = []
        for number, request in enumerate(requests, start=1):
            answers.append(answer(*request.args))
            self.cache_hook.add_partial(kind, request.args, answers[-1])
            print(f"\r{kind}: {number} of {len(requests)}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        if self._requests.cut:
            print(f"{self._requests.cut} contexts so far were longer than the model's: their beginnings were left out", file=sys.stderr)
        return answers


if __name__ == "__main__":
    cli_evaluate()
