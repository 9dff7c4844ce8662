"""A generator behind an OpenAI-compatible server, such as `lwm serve` or vLLM. Nothing of what is asked or answered is logged."""

import json
import os
import re
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from lwm_trainer.config import Endpoint, ExitCode
from lwm_trainer.data.errors import DataError
from lwm_trainer.questions.filters import ANSWER_TOKENS
from lwm_trainer.questions.pair import Pair
from lwm_trainer.questions.words import normal

PARALLEL = 16
"""Requests at once of a worker, at most."""
_RETRIES = Retry(
    total=8, backoff_factor=1, status_forcelist=(408, 429, 500, 502, 503, 504), allowed_methods=("POST",), respect_retry_after_header=True
)
_SECONDS = (10, 600)
"""To connect, and to answer."""
_REPLY_TOKENS = 400
_WRITE = (
    "Write one question that only a reader of the following text can answer, and its answer in a few words of the text. The question must"
    ' be understood without the text. Reply with JSON only: {{"question": "…?", "answer": "…"}}\n\n{chunk}'
)
_ANSWER = "Answer in a few words. If you do not know the answer, say: unknown.\n\n{text}"


class EndpointUnavailableError(Exception):
    """The server does not answer, after all retries."""

    code = ExitCode.TRANSIENT


class EndpointGenerator:
    """Asks a model for pairs, and then whether it answers them without the chunk and with it."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Raises DataError where the variable with the key is not set."""
        self._endpoint = endpoint
        self._session = requests.Session()
        self._session.mount(endpoint.url, HTTPAdapter(max_retries=_RETRIES, pool_maxsize=PARALLEL))
        if (variable := endpoint.key_variable) is not None:
            if not os.environ.get(variable):
                fix = "set it in podTemplate.env with valueFrom.secretKeyRef, or remove keyVariable"
                raise DataError(f"qa.endpoint.keyVariable: the variable {variable} is not set: {fix}")
            self._session.headers["Authorization"] = f"Bearer {os.environ[variable]}"

    def write(self, chunk: str) -> Pair | None:
        """A pair about the chunk; None where the reply has none. Raises DataError and EndpointUnavailableError."""
        match = re.search(r"\{.*\}", self._reply(_WRITE.format(chunk=chunk)), re.DOTALL)
        try:
            value = json.loads(match[0]) if match else None
        except json.JSONDecodeError:
            return None
        question, answer = (value.get(name) if isinstance(value, dict) else None for name in ("question", "answer"))
        return Pair(question.strip(), answer.strip()) if isinstance(question, str) and isinstance(answer, str) else None

    def doubts(self, chunk: str, pair: Pair) -> str | None:
        """closedBook: it knows the answer without the chunk. disagreeing: with the chunk it gives another one."""
        if _agree(pair.answer, self._reply(_ANSWER.format(text=pair.question))):
            return "closedBook"
        with_chunk = self._reply(_ANSWER.format(text=f"{chunk}\n\n{pair.question}"))
        return None if _agree(pair.answer, with_chunk) else "disagreeing"

    def _reply(self, prompt: str) -> str:
        """The model's reply at temperature 0. Errors name the address and the status, and nothing of the request."""
        address = f"{self._endpoint.url.rstrip('/')}/chat/completions"
        body: dict[str, Any] = {
            "model": self._endpoint.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            "seed": 0,
            "max_tokens": _REPLY_TOKENS,
        }
        try:
            response = self._session.post(address, json=body, timeout=_SECONDS)
        except requests.RequestException as error:
            raise EndpointUnavailableError(f"qa.endpoint: {address} does not answer ({type(error).__name__}): is the server up?") from None
        if response.status_code != 200:
            fix = "is the key right?" if response.status_code in (401, 403) else "are url and model right, and has it room for a chunk?"
            raise DataError(f"qa.endpoint: {address} answers with status {response.status_code}: {fix}")
        try:
            reply: Any = response.json()["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError):
            raise DataError(f"qa.endpoint: {address} answers with something else than a chat completion: is the url right?") from None
        return reply if isinstance(reply, str) else ""


def _agree(answer: str, reply: str) -> bool:
    """Whether the reply, in at most so many words as an answer may have, is the answer or has it."""
    wanted, given = normal(answer), normal(reply)
    return bool(given) and len(given.split()) <= ANSWER_TOKENS and (wanted in given or given in wanted)
