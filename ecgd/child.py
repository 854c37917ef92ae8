"""What every child process does first: never outlive its parent, and say of its end where it was, and no values."""

import ctypes
import json
import resource
import signal
import sys
import traceback
from types import TracebackType

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """End when the parent's thread that started it does; leave no core, which would hold patients' data."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def say_last_words(role: str) -> None:
    """Say what ended the child and where; not the error's text, which may quote the file."""

    def say(kind: type[BaseException], _error: BaseException, trace: TracebackType | None) -> None:
        places = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in traceback.extract_tb(trace)]
        print(json.dumps({"role": role, "event": "died", "error": kind.__name__, "frames": places}), file=sys.stderr)

    sys.excepthook = say
