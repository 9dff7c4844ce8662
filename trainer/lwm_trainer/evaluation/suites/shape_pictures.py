"""Pictures of a colored shape on a plain ground: what a film's needle shows. Needs Pillow."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

COLORS = {"red": (205, 30, 30), "green": (25, 150, 50), "blue": (35, 70, 210), "yellow": (235, 205, 25)}
FORMS = ("circle", "square", "triangle")
GROUND = (128, 128, 128)


class Shape(NamedTuple):
    """What a picture shows."""

    color: str
    form: str

    def __str__(self) -> str:
        return f"{self.color} {self.form}"


SHAPES = tuple(Shape(color, form) for color in COLORS for form in FORMS)


def draw_shape(shape: Shape, size: int) -> NDArray[np.uint8]:
    """The picture, uint8 [size, size, 3] in RGB: the shape has half of its width and height, and stands in its middle."""
    picture = Image.new("RGB", (size, size), GROUND)
    near, far = size / 4, 3 * size / 4 - 1
    pen, color = ImageDraw.Draw(picture), COLORS[shape.color]
    match shape.form:
        case "circle":
            pen.ellipse((near, near, far, far), fill=color)
        case "square":
            pen.rectangle((near, near, far, far), fill=color)
        case "triangle":
            pen.polygon(((near, far), (far, far), ((near + far) / 2, near)), fill=color)
    return np.asarray(picture)
