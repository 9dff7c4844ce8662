"""What `lwm eval video-needle` does: a drawn frame in a film."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lwm_cli.evaluate.evaluation import evaluate
from lwm_cli.evaluate.options import take_settings
from lwm_trainer.evaluation.ask import tokenizer_of
from lwm_trainer.evaluation.suite import Suite, Way
from lwm_trainer.sampling.vocabulary import Vocabulary

if TYPE_CHECKING:
    from lwm_cli.generation_media import GenerationMedia


def evaluate_video_needle(answers: Way, out: Path, **options: Any) -> int:
    """Run the suite. Returns the exit code. Raises what `evaluate` raises."""
    from lwm_cli.generation_media import GenerationMedia
    from lwm_trainer.evaluation.suites.shape_pictures import Shape, draw_shape
    from lwm_trainer.evaluation.suites.video_needle import VideoNeedleSettings, VideoNeedleSuite

    film: tuple[str, ...] = options["film"]
    media = GenerationMedia.load(options["vision_tokenizer"], options["clip_rate"], None)
    options["vision_tokenizer"] = media.tokenizer.fingerprint  # results name what the tokenizer is, not where it lies
    settings = take_settings(VideoNeedleSettings, options)

    def encode(shape: Shape) -> list[int]:
        (codes,) = media.tokenizer.encode(draw_shape(shape, media.tokenizer.config.image_size)[None]).tolist()
        return codes  # type: ignore[no-any-return]

    def make_suite(vocabulary: Vocabulary) -> Suite:
        media.require_same_frames(vocabulary)
        return VideoNeedleSuite(settings, lambda: frames_of(media, film), encode, vocabulary.span, tokenizer_of(vocabulary))

    return evaluate(make_suite, settings.lengths, out, answers, options, media.frames)


def frames_of(media: "GenerationMedia", film: tuple[str, ...]) -> Iterator[list[int]]:
    """The codes of all frames of the files, one file in memory."""
    for file in film:
        yield from media.encode(file)
