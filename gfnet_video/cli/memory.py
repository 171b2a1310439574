"""Keep freed memory for the next tensor: what training on a CPU gains from it."""

from __future__ import annotations

import ctypes
import os
import platform

MMAP_MAX, TRIM_THRESHOLD = -4, -1  # of mallopt(3)
OURS = ("MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "LD_PRELOAD")


def keep_memory() -> bool:
    """Tell glibc's allocator to keep what is freed, for as long as this process lives; whether it was told.

    By default glibc maps every block above 32 MB anew and gives it back when it is freed, so the kernel clears the same
    pages in every step of training (mallopt(3)). Elsewhere, and where the environment already says how to allocate or
    brings another allocator, nothing is changed. Call it when a process starts: it holds for all threads.
    """
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in OURS):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(MMAP_MAX, 0) and mallopt(TRIM_THRESHOLD, -1))
