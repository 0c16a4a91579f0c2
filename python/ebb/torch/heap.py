"""Lets the C library keep the memory that a batch frees, for the next batch."""

from __future__ import annotations

import functools

import numpy as np

#: Just below the size above which glibc no longer learns (32 MiB).
_BLOCK = 31 << 20


@functools.lru_cache(maxsize=None)
def keep_freed_memory() -> None:
    """Makes glibc keep up to 62 MiB of freed memory, once in a process.

    Threads that allocate much, and processes that are forked later, keep as much each.

    After each batch its activations and gradients are free. By default glibc soon
    gives free memory back to the system, and takes it anew in the next batch, page
    by page. When a large block is freed, glibc raises its limits to the size of the
    block and to twice that size. The block is never touched, so it takes no memory.
    Where the user has set MALLOC_TRIM_THRESHOLD_ or its like, nothing changes.
    """
    np.empty(_BLOCK, np.uint8)
