"""`lwm data sample DIR`: texts, a tokenizer and a training to try, without a bucket and without a network."""

from pathlib import Path
from pydoc_data.topics import topics

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from lwm_cli.errors import FileError

VOCABULARY = 2048
BEGIN, END = "<s>", "</s>"
TEXTS, TOKENIZER, TRAINING = "texts", "tokenizer.json", "training.yaml"
MANIFEST = """\
# A small Llama learns the Python manual, with a context that grows from 128 to 512 tokens: a few minutes on two cores.
#
#   lwm train {file}
apiVersion: lwm.dev/v1alpha1
kind: LWMTraining
metadata: {{name: sample}}
spec:
  model: {{layers: 2, width: 64, heads: 2, kvHeads: 2, headDim: 32, mlpWidth: 256, vocabSize: {vocabulary}}}
  tokenizer: {{uri: file:{tokenizer}}}   # paths after file: are relative to this file
  datasets:
    - name: manual
      kind: text
      source: {{uri: file:{texts}}}
  checkpoint: {{uri: file:checkpoints, saveIntervalSteps: 10}}
  accelerator:
    type: cpu
    cpu: {{hosts: 1, devicesPerHost: 2, threads: 2}}
  stages:
    - name: ctx128
      contextLength: 128
      batchTokens: 2048
      steps: 60
      mesh: {{sp: 2}}
      optimizer: {{peakLearningRate: 0.01, warmupSteps: 5}}
    - name: ctx512
      contextLength: 512
      ropeTheta: 40000.0
      batchTokens: 2048
      steps: 40
      mesh: {{sp: 2}}
      optimizer: {{peakLearningRate: 0.005, warmupSteps: 5}}
"""


def make_sample(folder: Path) -> int:
    """Write the sample and say what it is. Returns the exit code. Raises FileError."""
    try:
        write_sample(folder)
    except OSError as error:
        raise FileError(f"{error.filename or folder}: {error.strerror}: give a folder that may be written") from error
    print(f"{folder}: {len(topics)} texts, {TOKENIZER}, {TRAINING}: lwm train {folder / TRAINING}")
    return 0


def write_sample(folder: Path) -> None:
    """Write the sample. Files that are there are replaced. Raises OSError."""
    (folder / TEXTS).mkdir(parents=True, exist_ok=True)
    for name, text in topics.items():
        (folder / TEXTS / f"{name.lower()}.txt").write_text(text, encoding="utf-8")
    tokenizer().save(str(folder / TOKENIZER))
    manifest = MANIFEST.format(file=TRAINING, vocabulary=VOCABULARY, tokenizer=TOKENIZER, texts=TEXTS)
    (folder / TRAINING).write_text(manifest, encoding="utf-8")


def tokenizer() -> Tokenizer:
    """Byte-level BPE, trained on the texts: equal for equal texts."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[BEGIN, END], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    trained.train_from_iterator([text for _, text in sorted(topics.items())], trainer)
    return trained
