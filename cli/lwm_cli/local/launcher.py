"""Starts a pod's process so that it ends with `lwm train`: `python -I -S launcher.py PARENT COMMAND…`. It is run as a file.

When the parent dies, even of SIGKILL, the kernel sends SIGTERM: the trainer saves and exits. Only Linux can do that.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
    if os.getppid() != parent:  # it died before the kernel knew what to do then
        sys.exit(128 + signal.SIGTERM)
    os.execv(command[0], command)  # noqa: S606 - the command comes from lwm train, as a list


if __name__ == "__main__":
    main()
