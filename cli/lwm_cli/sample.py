"""`lwm sample CHECKPOINT`: what a model writes after a prompt."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from lwm_cli.generation_options import take_filters, take_generator, take_media
from lwm_trainer.sampling.answer import Answer
from lwm_trainer.sampling.conversation import LWM_STOP, lwm_prompt, user_content
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.prompt import TokenRow, join
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import ANY_FRAMES, Settings
from lwm_trainer.sampling.vocabulary import Vocabulary

if TYPE_CHECKING:
    from lwm_cli.generation_media import Codes

DEFAULT_TOKENS = 256
LONG_PROMPT = 4096
"""Tokens from which on the progress of a prefill is shown."""


def sample_checkpoint(
    prompt: str | None,
    prompt_file: Path | None,
    samples: int,
    show: tuple[str, ...],
    extend: str | None,
    out: Path | None,
    as_json: bool,
    template: Literal["lwm"] | None,
    **options: Any,
) -> int:
    """Print what the model writes after the prompt. Returns the exit code. Raises UsageError, and what loading raises."""
    text = prompt_text(prompt, prompt_file, optional=bool(show or extend))
    frames = parse_frames(options["frames"]) if options["frames"] is not None else (1, 1) if extend else None
    filters = {"text": take_filters(options), "vision": take_filters(options, "vision_")}
    media = take_media(options, "lwm sample", needed_by="--show, --extend and --out" if show or extend or out else None)
    generator = take_generator(options, reserve=False, frames=None if media is None else media.frames)
    shown: list[Codes] = []
    opened: Codes | None = None if frames is None else []
    if media is not None:
        media.require_same_frames(generator.vocabulary)
        shown = [media.encode(file) for file in show]
        opened = media.encode(extend) if extend else opened
    if template == "lwm":
        options["stop"] += LWM_STOP
        row = lwm_request(generator.vocabulary, text, shown, opened, frames)
    else:
        row = generator.vocabulary.prompt(text, shown, opened)
    requests = make_requests(generator, row, samples, frames, {**options, **filters}, given=len(opened or []))
    answers = [Answer(generator.vocabulary.grammar.frame) for _ in requests]
    begun, first_token, steps = time.monotonic(), 0.0, 0
    for pieces in generator.generate(requests, progress=show_prefill):
        first_token, steps = first_token or time.monotonic(), steps + 1
        for piece in pieces:
            visible = answers[piece.request].add(piece)
            if not as_json and samples == 1:
                print(visible, end="", flush=True)
    ended = time.monotonic()
    if as_json:
        print(json.dumps([each.as_json() for each in answers], indent=1, ensure_ascii=False))
    elif samples > 1:
        print("\n".join(f"[{number}] {each.text}" for number, each in enumerate(answers, 1)))
    else:
        print()
    if media is not None and out is not None:
        for file in media.write([(opened or []) + answer.frames for answer in answers], out):
            print(file, file=sys.stderr)
    count = sum(each.tokens for each in answers)
    rate = (count - len(answers)) / max(ended - first_token, 1e-9)
    print(
        f"{requests[0].prompt.length} tokens of prompt, first token after {first_token - begun:.2f} s; {count} tokens of answer in "
        f"{steps} steps, after the first {rate:.1f} tokens/s",
        file=sys.stderr,
    )
    return 0


def lwm_request(
    vocabulary: Vocabulary, text: str, shown: Sequence["Codes"], opened: "Codes | None", frames: tuple[int, int] | None
) -> TokenRow:
    """The prompt in the words of LWM's trainings: a chat, or `Generate an image of …` and `a video of …` where frames are asked for.

    The arguments are those of `Vocabulary.prompt` and `make_requests`.
    """
    if frames is not None and opened is not None:
        text = f"Generate {'an image' if len(opened) + frames[1] == 1 else 'a video'} of {text}"
    row = lwm_prompt(vocabulary, [{"role": "user", "content": user_content(text, shown)}])
    return row if opened is None else join(row, vocabulary.opening(), vocabulary.frames(opened))


def make_requests(
    generator: Generator, prompt: TokenRow, samples: int, frames: tuple[int, int] | None, options: Mapping[str, Any], given: int = 0
) -> list[Request]:
    """One request for each sample.

    Args:
        frames: the least and the largest number of frames that the answer adds to the span that the prompt ends with; None: no such span.
        given: frames that the span has already.
    """
    vocabulary = generator.vocabulary
    room = max(generator.context_length - prompt.length, 1)
    if frames is None:
        least, most, default = 1, ANY_FRAMES, DEFAULT_TOKENS
    else:
        least, most = given + frames[0], given + frames[1]
        default = frames[1] * vocabulary.grammar.frame_tokens + len(vocabulary.grammar.closing)
    return [
        Request(
            prompt,
            Settings(
                max_tokens=min(default, room) if options["max_tokens"] is None else options["max_tokens"],
                text=options["text"],
                vision=options["vision"],
                seed=options["seed"] + number,
                stop=options["stop"],
                stop_ids=() if options["ignore_end"] else (vocabulary.end_id,),
                guidance=options["guidance"],
                min_frames=least,
                max_frames=most,
                only_vision=frames is not None,
            ),
        )
        for number in range(samples)
    ]


def show_prefill(done: int, total: int) -> None:
    """Show how far a long prompt is, where a person looks."""
    if total > LONG_PROMPT and sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\rprompt: {done:,} of {total:,} tokens", end=end, file=sys.stderr, flush=True)


def prompt_text(prompt: str | None, file: Path | None, *, optional: bool) -> str:
    """The text of the prompt, from exactly one of the two options; none of them where it is `optional`. Raises UsageError."""
    if optional and prompt is None and file is None:
        return ""
    if (prompt is None) == (file is None):
        raise click.UsageError("give the prompt by --prompt TEXT or --prompt-file FILE, one of them")
    if file is None:
        return str(prompt)
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"--prompt-file {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise click.UsageError(f"--prompt-file {file}: byte {error.start} is not UTF-8: save it as UTF-8") from error


def parse_frames(text: str) -> tuple[int, int]:
    """`2` or `1-8` as the least and the largest number of frames. Raises UsageError."""
    least, dash, most = text.partition("-")
    numbers = (least, most) if dash else (least, least)
    if not all(number.isdecimal() and 0 < int(number) <= ANY_FRAMES for number in numbers):
        raise click.UsageError(f"--frames {text}: write a number of frames, 1 or more, or two numbers with - between them")
    return int(numbers[0]), int(numbers[1])
