"""What a process that trains does with its memory, seen in the kernel's count of pages that it had to clear."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import ctypes, resource
from gfnet_video.cli.memory import keep_memory
kept = keep_memory() if {keep} else False
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
def again():
    block = libc.malloc(64 << 20)
    ctypes.memset(block, 1, 64 << 20)
    libc.free(block)
again()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    again()
print(int(kept), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def told(keep: bool, **more: str) -> tuple[int, int]:
    """Whether the allocator was told, and how many pages eight large blocks cost after the first."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "LD_PRELOAD"))}
    command = [sys.executable, "-c", SCRIPT.format(keep=keep)]
    out = subprocess.run(command, env=clean | more, capture_output=True, text=True, check=True, timeout=60).stdout
    kept, faults = out.split()
    return int(kept), int(faults)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_a_large_block_is_used_again_where_it_was_freed() -> None:
    given_back, kept = told(False), told(True)
    assert kept[0] == 1
    assert kept[1] < given_back[1] / 10


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_what_the_environment_says_of_memory_stands() -> None:
    assert told(True, MALLOC_MMAP_THRESHOLD_="1000000")[0] == 0
