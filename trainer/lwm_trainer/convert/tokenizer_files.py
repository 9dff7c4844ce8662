"""The tokenizer of a model: read as a training reads it, checked before anything is written, exported as transformers reads it."""

import json
from typing import Any, NamedTuple

from etils import epath

from lwm_trainer.checkpoint.manifest import ModelManifest
from lwm_trainer.convert.errors import ConversionError, WrongArgumentError
from lwm_trainer.convert.strict_json import parse_object
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.encoding.tokenizer_config import CONFIG, TEMPLATE, TEMPLATE_FOLDER, beside, read_templates

TOKENIZER, GENERATION = "tokenizer.json", "generation_config.json"
ANY_SIZE = 2**31
"""No limit of a vocabulary's size: the message of `Tokenizer` is about a training, and here the size is compared with the checkpoint's."""


class TokenIds(NamedTuple):
    """Ids of the tokens that begin and end a document."""

    begin: int
    end: int


class ExportTokenizer(NamedTuple):
    """The files of a tokenizer, by their path in the exported folder."""

    ids: TokenIds
    files: dict[str, bytes]

    def write(self, out: epath.Path) -> None:
        """Write the files to the folder `out`."""
        for path, content in self.files.items():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            (out / path).write_bytes(content)


def read_export_tokenizer(uri: str, manifest: ModelManifest) -> ExportTokenizer:
    """Read a tokenizer.json and what lies beside it: its configuration, chat templates and generation_config.json.

    Raises WrongArgumentError for a wrong `uri`, ConversionError for a tokenizer that is not this model's, and what `Tokenizer.load` raises.
    """
    require_tokenizer_file(uri)
    tokenizer = Tokenizer.load(uri, ANY_SIZE)
    _require_same(tokenizer, manifest)
    ids = TokenIds(tokenizer.begin_id, tokenizer.end_id)
    templates = read_templates(uri, tokenizer.config)
    files = {TOKENIZER: epath.Path(uri).read_bytes(), CONFIG: _json(_tokenizer_config(uri, tokenizer, manifest.context_length))}
    for name, template in templates.items():
        if template.uri != tokenizer.config.uri:
            files[TEMPLATE if name == "default" else f"{TEMPLATE_FOLDER}/{name}.jinja"] = template.source.encode()
    files[GENERATION] = _json(_generation_config(uri, ids, manifest.model.vocab_size))
    return ExportTokenizer(ids, files)


def require_tokenizer_file(uri: str) -> None:
    """Raise WrongArgumentError for a `--tokenizer` that is no tokenizer.json by its name, or is not there."""
    path = epath.Path(uri)
    if path.is_dir():
        raise WrongArgumentError(f"--tokenizer {uri}: is a folder: name the {TOKENIZER} in it")
    if not path.exists():
        raise WrongArgumentError(f"--tokenizer {uri}: not found: give a {TOKENIZER}")
    if path.suffix != ".json":
        raise WrongArgumentError(
            f"--tokenizer {uri}: is not a {TOKENIZER}: load a tokenizer.model of SentencePiece with transformers, which saves one"
        )


def _require_same(tokenizer: Tokenizer, manifest: ModelManifest) -> None:
    """Raise ConversionError for a tokenizer that is not the one of this checkpoint, or has more pieces than the model."""
    if manifest.tokenizer_sha256 not in (None, tokenizer.sha256):
        raise ConversionError(
            f"{tokenizer.uri}: is not the tokenizer of this checkpoint: its SHA-256 is {tokenizer.sha256}, but {manifest.tokenizer_sha256} "
            f"in the manifest: give the {TOKENIZER} that the model was trained with"
        )
    if tokenizer.vocabulary_size > manifest.model.vocab_size:
        raise ConversionError(
            f"{tokenizer.uri}: has {tokenizer.vocabulary_size} pieces, but the model has {manifest.model.vocab_size}: "
            f"give the {TOKENIZER} of this model"
        )


def _tokenizer_config(uri: str, tokenizer: Tokenizer, context_length: int) -> dict[str, Any]:
    """The tokenizer's own configuration, with the begin and end tokens of the training, and no limit below the trained context."""
    text_of = {token_id: text for text, token_id in tokenizer.special_ids.items()}
    made = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": text_of[tokenizer.begin_id],
        "eos_token": text_of[tokenizer.end_id],
    }
    own = {name: value for name, value in _read_beside(uri, CONFIG).items() if value is not None}
    return made | own | {"model_max_length": context_length}


def _generation_config(uri: str, ids: TokenIds, vocab_size: int) -> dict[str, Any]:
    """What ends a generation: the end token of the training, and those of the model's own generation_config.json."""
    own, file = _read_beside(uri, GENERATION), beside(uri, GENERATION)
    for name, value in own.items():
        if name.endswith("_token_id") and value is not None:
            for number in value if isinstance(value, list) else [value]:
                if type(number) is not int or not 0 <= number < vocab_size:
                    raise ConversionError(
                        f"{file}: {name} is {value}, but the model has tokens 0 to {vocab_size - 1}: take the file of this model"
                    )
    ends = own.get("eos_token_id")
    ends = ends if isinstance(ends, list) else [ends]
    every_end = list(dict.fromkeys([ids.end, *(end for end in ends if end is not None)]))
    return own | {"bos_token_id": ids.begin, "eos_token_id": every_end if len(every_end) > 1 else ids.end}


def _read_beside(uri: str, name: str) -> dict[str, Any]:
    """The object in the JSON file `name` beside the tokenizer; empty when there is none. Raises ConversionError."""
    file = epath.Path(beside(uri, name))
    return parse_object(file.read_bytes(), file) if file.exists() else {}


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
