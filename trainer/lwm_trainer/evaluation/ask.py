"""A generator as what answers the questions of a suite, and its tokenizer as what suites count lengths with."""

from lwm_trainer.evaluation.run_suite import Ask
from lwm_trainer.evaluation.suite import Question, Suite, Tokenize, Tokens, Way
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.prompt import TokenRow, join, text_row
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import Filters, Settings
from lwm_trainer.sampling.token_scores import TokenScorer, TokenScores
from lwm_trainer.sampling.vocabulary import Vocabulary


def tokenizer_of(vocabulary: Vocabulary) -> Tokenize:
    """The model's tokenizer, as suites call it."""

    def tokenize(text: str) -> Tokens:
        return vocabulary.encode(text).tokens

    return tokenize


def make_ask(generator: Generator, suite: Suite, way: Way) -> Ask:
    """A function that answers the suite's questions; a prompt that begins as the last one did computes only the rest."""
    if way == "generated":
        return _generated(generator, suite)
    scorer = TokenScorer(generator.engine)

    def scores(question: Question, text: str) -> TokenScores:
        return scorer.score(_whole(generator, question), generator.vocabulary.encode(text))

    def forced(question: Question) -> str:
        text = question.reference or ""
        return text if scores(question, text).most_probable.all() else ""

    def likeliest(question: Question) -> str:
        return max(question.choices, key=lambda text: scores(question, text).total)

    return forced if way == "forced" else likeliest


def _generated(generator: Generator, suite: Suite) -> Ask:
    vocabulary = generator.vocabulary
    settings = Settings(
        max_tokens=suite.answer_tokens, text=Filters(temperature=0), stop=suite.stop, stop_ids=(vocabulary.end_id,), may_show=False
    )

    def ask(question: Question) -> str:
        request = Request(_whole(generator, question), settings)
        return "".join(piece.text for pieces in generator.generate([request]) for piece in pieces)

    return ask


def _whole(generator: Generator, question: Question) -> TokenRow:
    prompt = text_row(question.prompt) if question.vision is None else TokenRow(question.prompt, question.vision)
    return join(generator.vocabulary.begin(), prompt)
