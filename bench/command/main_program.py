"""The end of a program of a benchmark, however it comes."""

import os
import signal
import sys
from typing import Any, Callable, Optional


def run(
    main: Callable[[], int], on_sigterm: Optional[Callable[[int, Any], None]] = None
) -> None:
    """Runs the program, and ends with its exit code; 130: it was interrupted.

    on_sigterm: the handler. Without one SIGTERM ends the program as Ctrl-C does,
    so that it leaves nothing behind.
    """
    signal.signal(signal.SIGTERM, on_sigterm or _interrupt)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if os.environ.get("EBB_TRACEBACK"):
            raise
        sys.exit(f"ebb: {error}")


def _interrupt(*_: Any) -> None:
    """Once: more would break off what clears up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
