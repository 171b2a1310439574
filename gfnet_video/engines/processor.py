"""What the processor can compute fast."""

from __future__ import annotations

import re
from pathlib import Path

FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16")
BF16 = ("avx512_bf16", "amx_bf16")  # either multiplies in bfloat16; without them openvino would only imitate it
LISTED = Path("/proc/cpuinfo")


def features(file: Path = LISTED) -> list[str]:
    """Which of the instructions that networks gain from the processor has, where the system lists them."""
    try:
        words = set(
            re.findall(r"^(?:flags|Features)\s*:(.*)$", file.read_text(errors="replace"), re.MULTILINE)[0].split()
        )
    except (OSError, IndexError):
        return []
    return [name for name in FEATURES if name in words]


def has_bf16(file: Path = LISTED) -> bool:
    """Whether bfloat16 is computed in hardware, as far as the system says."""
    return any(name in features(file) for name in BF16)
