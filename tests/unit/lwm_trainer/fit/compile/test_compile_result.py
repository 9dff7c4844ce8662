"""What the compiler says when there is no room, in its own words."""

from lwm_trainer.fit.compile.compile_result import parse_refusal

HBM = "RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required for HLO temporaries (95.78G) exceeds available HBM (30.75G)."
SMEM = (
    "RESOURCE_EXHAUSTED: XLA:TPU compile permanent error. Ran out of memory in memory space smem. Used 1.25M of 1.00M smem. Exceeded smem "
    "capacity by 257.2K.\n\nProgram smem requirement 1.25M:\n    scoped            1.25M"
)
SPACE = (
    "RESOURCE_EXHAUSTED: XLA:TPU compile permanent error. Ran out of memory in memory space hbm. Used 40.50G of 30.75G hbm. Exceeded hbm "
    "capacity by 9.75G."
)


def test_too_little_hbm_is_an_answer_with_both_numbers() -> None:
    for text, needed in ((HBM, 95.78), (SPACE, 40.5)):
        result = parse_refusal(text)
        assert result is not None
        assert (result.space, result.needed_bytes, result.available_bytes) == ("hbm", int(needed * 2**30), int(30.75 * 2**30))


def test_a_kernel_that_wants_too_much_smem_does_not_count_as_too_little_hbm() -> None:
    result = parse_refusal(SMEM)
    assert result is not None
    assert (result.space, result.needed_bytes, result.available_bytes) == ("smem", int(1.25 * 2**20), 2**20)
    assert result.message == SMEM.splitlines()[0]


def test_another_error_is_no_refusal() -> None:
    assert parse_refusal("INVALID_ARGUMENT: Mosaic failed to compile TPU kernel") is None
