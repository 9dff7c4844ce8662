import json
import subprocess
import sys
from pathlib import Path

SIZES = (1, 8, 64)


def test_in_bfloat16_the_error_does_not_grow_with_the_ring() -> None:
    command = [sys.executable, str(Path(__file__).with_name("ring_precision.py")), *map(str, SIZES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    errors = json.loads(done.stdout)
    alone = errors["ours"]["1"]
    assert max(alone) < 0.01, "what rounding the results to bfloat16 costs, and no more"
    for size in SIZES:
        for error, of_one in zip(errors["ours"][str(size)], alone, strict=True):
            assert error <= 1.01 * of_one, f"ring of {size}: {errors['ours']}"
    assert errors["rounding"]["64"][0] > 1.5 * errors["rounding"]["1"][0], "the control: carried in bfloat16, it grows"
