"""Random numbers are a function of their key alone, so that a stage resumes with the same batches on any machine and release."""

import numpy as np

from lwm_trainer.data.seeded_random import permutation, random_keys


def test_keys_are_the_same_on_every_machine_and_numpy_release() -> None:
    assert random_keys(3, 1, 2).tolist() == [5527141919257688469, 1364028082176693913, 13560305045195242260]
    assert permutation(8, 5).tolist() == [3, 6, 2, 4, 5, 7, 0, 1]


def test_fewer_numbers_of_a_key_are_the_first_ones_and_other_keys_have_others() -> None:
    assert np.array_equal(random_keys(2, 1, 2), random_keys(5, 1, 2)[:2])
    assert len({random_keys(1, *key)[0] for key in ((1, 2), (2, 1), (1,), (1, 0, 2))}) == 4


def test_a_permutation_has_every_number_once() -> None:
    assert sorted(permutation(1000, 7).tolist()) == list(range(1000))
