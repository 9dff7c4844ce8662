"""What process 0 tells the others arrives as it was."""

import numpy as np
import pytest

from lwm_trainer.sampling.prompt import TokenRow
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import Filters, Settings
from lwm_trainer.serving.commands import Command, decode


def test_requests_arrive_with_all_of_their_settings() -> None:
    prompt = TokenRow(np.arange(5, dtype=np.int32), np.array([False, True, True, False, False]))
    settings = Settings(
        max_tokens=9,
        text=Filters(temperature=0.1, top_k=3),
        vision=Filters(top_p=0.3),
        seed=2**32 - 1,
        stop=("ü", "b"),
        stop_ids=(2,),
        guidance=1.5,
        min_frames=2,
        max_frames=3,
        may_show=False,
        only_vision=True,
    )
    arrived = decode(Command("join", [Request(prompt, settings)] * 2, top=20).encode())
    assert (arrived.name, arrived.top, len(arrived.requests)) == ("join", 20, 2)
    for request in arrived.requests:
        assert request.settings == settings
        assert hash(request.settings) == hash(settings)  # tuples are tuples again
        assert request.prompt.tokens.tolist() == prompt.tokens.tolist()
        assert request.prompt.vision.tolist() == prompt.vision.tolist()


@pytest.mark.parametrize("command", [Command("advance"), Command("cancel", number=7), Command("start_anew"), Command("end")])
def test_commands_without_requests_arrive(command: Command) -> None:
    assert decode(command.encode()) == command._replace(requests=[])
