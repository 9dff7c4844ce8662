"""What needles say. `numbers` share their words with the question; `landmarks` share none, so that they are not found by matching words."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from lwm_trainer.evaluation.suite import SuiteError, seeded

Form = Literal["numbers", "landmarks"]

CITIES = (
    "Accra Adelaide Amman Ankara Antwerp Athens Auckland Baku Bangkok Barcelona Beirut Belgrade Bergen Berlin Bogota Boston Brisbane "
    "Brussels Bucharest Budapest Cairo Calgary Caracas Casablanca Chicago Copenhagen Dakar Dallas Damascus Delhi Denver Dhaka Dublin "
    "Durban Edinburgh Florence Geneva Glasgow Hamburg Hanoi Harare Havana Helsinki Houston Istanbul Jakarta Kampala Karachi Kigali "
    "Kinshasa Krakow Kyoto Lagos Lahore Lima Lisbon Ljubljana London Luanda Lusaka Lyon Madrid Malaga Manila Maputo Marseille "
    "Medellin Melbourne Miami Milan Minsk Montevideo Montreal Mumbai Munich Nairobi Naples Nicosia Oslo Ottawa Palermo Panama Paris "
    "Perth Porto Prague Quito Riga Rome Rotterdam Santiago Seattle Seoul Seville Shanghai Sofia Stockholm Sydney Tallinn Tbilisi "
    "Tokyo Toronto Tunis Turin Utrecht Valencia Vancouver Venice Vienna Vilnius Warsaw Wellington Windhoek Yerevan Zagreb Zurich"
).split()
NEEDLE = "\nThe special magic {city} number is: {number}\n"
QUESTION = "What is the special magic {city} number?"
DIGITS = 7
NUMBER_CHANCE = 1 / (9 * 10.0 ** (DIGITS - 1))
"""The share of right answers of a model that guesses numbers."""

LANDMARKS = {
    "Eiffel Tower": "Paris",
    "Colosseum": "Rome",
    "Brandenburg Gate": "Berlin",
    "Acropolis": "Athens",
    "Sagrada Familia": "Barcelona",
    "Prado museum": "Madrid",
    "Charles Bridge": "Prague",
    "Hagia Sophia": "Istanbul",
    "Kremlin": "Moscow",
    "Little Mermaid statue": "Copenhagen",
    "Rijksmuseum": "Amsterdam",
    "Atomium": "Brussels",
    "Schönbrunn palace": "Vienna",
    "Fisherman's Bastion": "Budapest",
    "Buckingham Palace": "London",
    "Statue of Liberty": "New York",
    "Golden Gate Bridge": "San Francisco",
    "White House": "Washington",
    "Space Needle": "Seattle",
    "CN Tower": "Toronto",
    "Christ the Redeemer statue": "Rio de Janeiro",
    "Table Mountain": "Cape Town",
    "Burj Khalifa": "Dubai",
    "Gateway of India": "Mumbai",
    "Forbidden City": "Beijing",
    "Oriental Pearl Tower": "Shanghai",
    "Petronas Towers": "Kuala Lumpur",
    "Wat Arun temple": "Bangkok",
    "Meiji shrine": "Tokyo",
    "Uffizi gallery": "Florence",
    "Rialto bridge": "Venice",
    "Elbphilharmonie": "Hamburg",
    "Tower of Belém": "Lisbon",
    "Guinness Storehouse": "Dublin",
}
"""What stands in which city: everybody knows it, and no text need say it."""
PEOPLE = (
    "Ada Amir Anton Bela Carla Chen Clara Dora Edgar Elif Emil Farid Greta Hanna Hugo Ines Ivan Jonas Kenji Lea Lucia Magnus Maya Nadia "
    "Nils Olga Omar Paula Priya Rafael Rosa Samir Sven Tara Viktor Yara"
).split()
LANDMARK_NEEDLE = "\n{name} lives right next to the {landmark}.\n"
LANDMARK_QUESTION = "Which person must have been in {city}?"


class Fact(NamedTuple):
    """A needle, and what is asked about it."""

    sentence: str
    question: str
    answer: str


class Needle(NamedTuple):
    """A number of a city."""

    city: str
    number: str

    @property
    def sentence(self) -> str:
        return NEEDLE.format(city=self.city, number=self.number)


def draw_needles(count: int, *seed: object) -> list[Needle]:
    """Needles of different cities. Raises SuiteError for more than there are cities."""
    _require_enough(count, len(CITIES), "a city")
    draw = seeded(*seed)
    least = 10 ** (DIGITS - 1)
    return [Needle(city, str(draw.randrange(least, 10 * least))) for city in draw.sample(CITIES, count)]


def number_facts(count: int, *seed: object) -> list[Fact]:
    """LWM's needles, with its question for one. Raises what `draw_needles` raises."""
    return [Fact(needle.sentence, QUESTION.format(city=needle.city), needle.number) for needle in draw_needles(count, *seed)]


def landmark_facts(count: int, *seed: object) -> list[Fact]:
    """People who live at landmarks; the question names the city. The idea is NoLiMa's (Modarressi et al. 2025, arXiv 2502.05167).

    Raises SuiteError for more than there are landmarks.
    """
    _require_enough(count, len(LANDMARKS), "a landmark")
    draw = seeded(*seed)
    pairs = zip(draw.sample(PEOPLE, count), draw.sample(sorted(LANDMARKS), count), strict=True)
    return [
        Fact(LANDMARK_NEEDLE.format(name=name, landmark=landmark), LANDMARK_QUESTION.format(city=LANDMARKS[landmark]), name)
        for name, landmark in pairs
    ]


DRAWS: dict[Form, Callable[..., list[Fact]]] = {"numbers": number_facts, "landmarks": landmark_facts}
ANSWERS: dict[Form, str] = {"numbers": "number", "landmarks": "name"}
"""What an answer is called in the prompt."""


def _require_enough(count: int, most: int, noun: str) -> None:
    if count > most:
        raise SuiteError(f"{count} needles in a haystack: at most {most}, for each names {noun} of its own")
