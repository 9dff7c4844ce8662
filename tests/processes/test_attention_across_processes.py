"""Attention over two processes, which speak through Gloo, equals dense attention."""

import os
import subprocess
import sys

from processes.gang import free_port


def test_ring_and_ring_of_groups_over_two_processes_equal_dense_attention() -> None:
    coordinator = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "processes.attention_across_processes", coordinator]
    environment = os.environ | {"PJRT_NPROC": "2"}
    processes = [
        subprocess.Popen([*command, str(number)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for number in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=300)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
    for split in ("ring 4 x ulysses 1: ", "ring 2 x ulysses 2: "):
        assert all(split in output for output in outputs)
