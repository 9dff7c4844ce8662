"""Words that generated texts are made of: some English ones, and as many made-up ones as a text needs."""

import random
from collections.abc import Iterator

ADJECTIVES = (
    "amber ancient bitter blue bold brave bright broken calm careful clever cold crooked curious dark deep distant dusty early "
    "eager empty faint fearless fierce frozen gentle golden grave green hollow honest humble idle iron kind late lazy lively "
    "lonely loud merry mild narrow noble odd old pale patient plain proud quick quiet rare restless rough round rusty sharp shy "
    "silent silver simple slow small smooth soft solemn steady stern still strange sudden swift tall tame thin tidy tired vast "
    "warm weary wide wild wise wooden young"
).split()
NOUNS = (
    "anchor apron arrow basket beacon bell bench blanket boat bottle bridge broom bucket button cabin candle carpet cart castle "
    "chair clock cloud coat compass cradle curtain desk door drum feather fence fiddle field flag flute forest fountain garden "
    "gate glove hammer harbor hat hill horse inn island jacket jar kettle key ladder lake lamp lantern letter library lighthouse "
    "loom map market meadow mill mirror mountain needle orchard oven paddle path pencil piano pillow plow pond quilt rail rake "
    "ribbon river road roof rope saddle sail shelf ship spoon stable stair stone stove street table tent thread tower train tunnel "
    "umbrella valley village violin wagon wall well wheel window"
).split()
VERBS = (
    "carries crosses draws finds follows forgets greets guards hears hides keeps leaves lifts meets mends moves opens paints "
    "passes praises pulls reaches remembers sees sells shakes shows steals touches turns visits warms washes watches weighs"
).split()

_ONSETS = "b br c cl d dr f fl g gr h j k l m n p pl pr qu r s sk sl st t tr v w z".split()
_RHYMES = (
    "ab ack ade ag ale am ane ap ark ast ax ed ell en erb est ib ick ill ime in ip ist ob ock ole on ope ort ub uck ule um un urk ust"
).split()


def made_up_words(draw: random.Random) -> Iterator[str]:
    """Words of two to four syllables that mean nothing, never one twice."""
    known: set[str] = set()
    while True:
        word = "".join(draw.choice(_ONSETS) + draw.choice(_RHYMES) for _ in range(draw.choice((2, 2, 3, 4))))
        if word not in known:
            known.add(word)
            yield word


def draw_sentence(draw: random.Random, subject: str) -> str:
    """A sentence about the subject."""
    first, second = draw.sample(ADJECTIVES, 2)
    item, place = draw.sample(NOUNS, 2)
    form = draw.choice(
        (
            "The {first} {subject} {verb} the {second} {noun} near the {place}.",
            "By the {place} the {subject} {verb} a {first} {noun}, and nothing is {second}.",
            "A {second} {noun} {verb} the {subject} until the {place} grows {first}.",
            "No {noun} {verb} the {first} {place} like a {second} {subject}.",
        )
    )
    return form.format(first=first, second=second, subject=subject, verb=draw.choice(VERBS), noun=item, place=place)
