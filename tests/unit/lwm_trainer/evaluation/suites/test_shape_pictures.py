import numpy as np
import pytest

from lwm_trainer.evaluation.suites.shape_pictures import COLORS, GROUND, SHAPES, Shape, draw_shape


@pytest.mark.parametrize("size", [8, 64])
def test_every_shape_stands_alone_in_the_middle_and_looks_like_no_other(size: int) -> None:
    pictures = {shape: draw_shape(shape, size) for shape in SHAPES}
    assert len({picture.tobytes() for picture in pictures.values()}) == len(SHAPES) == 12
    for shape, picture in pictures.items():
        assert picture.shape == (size, size, 3)
        assert tuple(picture[size // 2, size // 2]) == COLORS[shape.color]
        assert all(tuple(picture[corner, corner]) == GROUND for corner in (0, -1))


def test_a_square_has_a_quarter_of_the_area_a_circle_less_and_a_triangle_half_of_it() -> None:
    areas = {form: np.mean((draw_shape(Shape("red", form), 64) != GROUND).any(-1)) for form in ("square", "circle", "triangle")}
    assert areas["square"] == pytest.approx(1 / 4, abs=0.01)
    assert areas["circle"] == pytest.approx(np.pi / 16, abs=0.01)
    assert areas["triangle"] == pytest.approx(1 / 8, abs=0.01)
