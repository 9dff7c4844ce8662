"""Manifests of an LWMTraining as text: refused ones, each with the beginning of its error, and good ones."""

TEXT = """\
apiVersion: lwm.dev/v1alpha1
kind: LWMTraining
metadata: {name: strict}
spec:
  seed: 7
  model: {layers: 2, width: 64, heads: 4, kvHeads: 2, headDim: 16, mlpWidth: 128, vocabSize: 512}
  tokenizer: {uri: gs://a-bucket/tokenizer.json}
  datasets:
    - {name: words, source: {uri: gs://a-bucket/words}}
  checkpoint: {uri: gs://a-bucket/runs}
  accelerator: {type: cpu, cpu: {hosts: 1}}
  stages:
    - {name: short, contextLength: 64, batchTokens: 256, steps: 3}
"""


def manifest(*replaced: tuple[str, str]) -> str:
    """The text with words replaced."""
    text = TEXT
    for old, new in replaced:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


LAUGHS = ", ".join(["&a0 [1]", *(f"&a{number + 1} [{', '.join([f'*a{number}'] * 10)}]" for number in range(9))])
"""Ten aliases, each of which is ten of the one before."""

ANOTHER = TEXT.replace("strict", "another")

REFUSED: dict[str, tuple[str, str]] = {
    "an unknown field": (
        manifest(("steps: 3", "steps: 3, memroy: {}")),
        "13: spec.stages[0].memroy: unknown field: did you mean memory?",
    ),
    "a field with the name of an earlier version": (
        manifest(("runs}", "runs, keep: 3}")),
        "10: spec.checkpoint.keep: unknown field: it is maxToKeep now",
    ),
    "an unknown field of metadata": (manifest(("{name: strict}", "{name: strict, label: {}}")), "3: metadata.label: unknown field"),
    "an unknown field at the top": (TEXT + "sepc: {}\n", "14: sepc: unknown field: did you mean spec?"),
    "a number as text": (
        manifest(("steps: 3", 'steps: "3"')),
        '13: spec.stages[0].steps: it is the text "3", and must be a whole number: write 3',
    ),
    "a fraction": (
        manifest(("steps: 3", "steps: 3.5")),
        "13: spec.stages[0].steps: it is the number 3.5, and must be a whole number",
    ),
    "a boolean as text": (
        TEXT + '  suspend: "true"\n',
        '14: spec.suspend: it is the text "true", and must be true or false: write true',
    ),
    "a number as a boolean": (TEXT + "  suspend: 1\n", "14: spec.suspend: it is the number 1, and must be true or false"),
    "a name that YAML 1.1 reads as a boolean": (
        manifest(("name: short", "name: on")),
        '13: spec.stages[0].name: it is the boolean true (on), and must be text: write "on" with quotes',
    ),
    "a name that is a number": (
        manifest(("name: words", "name: 0x1F")),
        "9: spec.datasets[0].name: it is the number 0x1F, and must be text",
    ),
    "a quantity with a fraction": (
        TEXT + "  podTemplate: {resources: {limits: {cpu: 1.5}}}\n",
        '14: spec.podTemplate.resources.limits.cpu: it is the number 1.5, and must be text or a whole number: write "1.5" with quotes',
    ),
    "a label that is a number": (
        manifest(("{name: strict}", "{name: strict, labels: {run: 7}}")),
        "3: metadata.labels.run: it is the number 7",
    ),
    "nothing where text is due": (manifest(("name: words,", "name: ,")), "9: spec.datasets[0].name: Field required"),
    "a list where an object is due": (
        manifest(("{uri: gs://a-bucket/runs}", "[]")),
        "10: spec.checkpoint: it is a list, and must be a mapping",
    ),
    "an object where a list is due": (
        TEXT + "  podTemplate: {env: {A: b}}\n",
        "14: spec.podTemplate.env: it is a mapping, and must be a list",
    ),
    "a value that is out of range": (manifest(("steps: 3", "steps: 0")), "13: spec.stages[0].steps: Input should be greater than"),
    "a field that is missing": (manifest(("name: short, ", "")), "13: spec.stages[0].name: Field required"),
    "an unknown version": (manifest(("v1alpha1", "v1")), "1: apiVersion: lwm.dev/v1 is not known: use lwm.dev/v1alpha1"),
    "infinity": (
        manifest(("steps: 3", "steps: 3, ropeTheta: .inf")),
        "13: spec.stages[0].ropeTheta: .inf is no number that JSON can",
    ),
}

NOT_KUBECTLS: dict[str, tuple[str, str]] = {
    "a key twice": (TEXT + "  seed: 8\n", "14: spec: seed is given twice, first on line 5: remove one"),
    "a key twice in a list": (manifest(("steps: 3", "steps: 3, steps: 3")), "13: spec.stages[0]: steps is given twice"),
    "no version": (manifest(("apiVersion: lwm.dev/v1alpha1\n", "")), "1: apiVersion: it is missing: use lwm.dev/v1alpha1"),
    "another kind": (
        manifest(("LWMTraining", "LwmTraining")),
        "holds 0 objects of kind LWMTraining (line 1: LwmTraining): give a file with one",
    ),
    "two trainings": (f"{TEXT}---\n{ANOTHER}", "holds 2 objects of kind LWMTraining (line 1: LWMTraining, line 15: LWMTraining)"),
    "no YAML": ("a: [\n", "2 is not YAML: "),
    "an alias of itself": (
        TEXT + "status: {conditions: &a [*a]}\n",
        "14: status.conditions[0]: it is an alias that contains itself: write it out",
    ),
    "aliases of aliases": (
        manifest(("{name: strict}", f"{{name: strict, managedFields: [{LAUGHS}]}}")),
        "1: the object has more than 20,000 values: write its aliases out",
    ),
    "a tag": (
        manifest(("seed: 7", "seed: !!float 7")),
        "5: spec.seed: the tag tag:yaml.org,2002:float has no meaning here: remove it",
    ),
}
"""Errors of `lwm` where kubectl takes the last of two keys, asks other APIs, or takes several objects."""

GOOD: dict[str, str] = {
    "as it is": TEXT,
    "beside another object": f"---\nkind: Namespace\napiVersion: v1\nmetadata: {{name: a}}\n---\n{TEXT}---\n",
    "text in quotes": manifest(("name: short", 'name: "on"'), ("{name: strict}", '{name: strict, labels: {run: "7"}}')),
    "numbers in every form": manifest(("steps: 3", "steps: 0x10, ropeTheta: 1e6"), ("seed: 7", "seed: 010\n  suspend: y")),
    "an anchor": manifest(("tokenizer: {", "tokenizer: &place {")).replace("source: {uri: gs://a-bucket/words}", "source: *place"),
    "nothing where an object would be": TEXT + "  podTemplate:\n",
    "nothing where a default is": TEXT + "  resume:\n  suspend: ~\n",
}
