"""`lwm chat CHECKPOINT`: a conversation in the terminal. Each turn computes only what is new in it."""

import sys
import time
from typing import Any

import click

from lwm_cli.generation_options import take_filters, take_generator, take_media
from lwm_trainer.sampling.answer import Answer
from lwm_trainer.sampling.conversation import Conversations, Template, make_conversations, user_content
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import Settings, SettingsError

PROMPT = "> "

Message = dict[str, Any]


def chat_with_checkpoint(
    template: Template, system: str | None, max_tokens: int, seed: int, show: tuple[str, ...], question_last: bool, **options: Any
) -> int:
    """Talk until the input ends. Returns the exit code. Raises UsageError, and what loading raises."""
    if show and template != "lwm":
        raise click.UsageError("--show: only the template lwm has a place for pictures: leave out --template")
    if question_last and not show:
        raise click.UsageError("--question-last: there is no picture to ask about: give --show FILE")
    text, vision = take_filters(options), take_filters(options, "vision_")
    media = take_media(options, "lwm chat", needed_by="--show" if show else None)
    generator = take_generator(options, reserve=True, frames=None if media is None else media.frames)
    if media is not None:
        media.require_same_frames(generator.vocabulary)
    shown = [] if media is None else [media.encode(file) for file in show]
    conversations = make_conversations(generator.vocabulary, template)
    settings = Settings(
        max_tokens=max_tokens,
        seed=seed,
        stop=conversations.stop,
        stop_ids=(generator.vocabulary.end_id,),
        text=text,
        vision=vision,
    )
    settings.check()
    opening: list[Message] = [] if system is None else [{"role": "system", "content": system}]
    messages: list[Message] = list(opening)
    while (line := _read_line()) is not None:
        if line == "/new":
            messages = list(opening)
        elif line:
            first = len(messages) == len(opening)
            content = user_content(line, shown if first else [], question_last=question_last)
            messages.append({"role": "user", "content": content})
            try:
                messages.append(answer(generator, conversations, messages, settings))
            except SettingsError as error:
                messages.pop()
                print(f"{error}; /new begins anew", file=sys.stderr)
    return 0


def answer(generator: Generator, conversations: Conversations, messages: list[Message], settings: Settings) -> Message:
    """Print the answer to the last message as it comes; returns it as a message. Raises SettingsError before anything is computed."""
    request = Request(conversations.prompt(messages), settings)
    begun, made = time.monotonic(), Answer(generator.vocabulary.grammar.frame)
    pieces = generator.generate([request])
    try:
        for step in pieces:
            print("".join(map(made.add, step)), end="", flush=True)
    except KeyboardInterrupt:
        pieces.close()
    seconds = time.monotonic() - begun
    usage = generator.usage[0]
    print()
    print(f"[{usage.prompt} tokens of prompt, {usage.cached} of them kept; {made.tokens} tokens in {seconds:.1f} s]", file=sys.stderr)
    # An answer is kept as the tokens that the cache holds: the same text in other tokens would be computed again.
    return {"role": "assistant", "content": made.text, **({} if made.ends_with_stop_text else {"tokens": made.text_tokens})}


def _read_line() -> str | None:
    """The next message; None at the end."""
    try:
        return (input(PROMPT) if sys.stdin.isatty() else input()).strip()
    except (EOFError, KeyboardInterrupt):
        return None
