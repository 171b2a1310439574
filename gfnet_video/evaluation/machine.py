"""What a time was measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gfnet_video.nn.device import device_of


def machine_of(model: nn.Module) -> dict[str, Any]:
    """Processor, cores, threads, torch's version, and the device that the model is on."""
    device = device_of(model)
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
    }


def processor(file: Path = Path("/proc/cpuinfo")) -> str:
    """What /proc/cpuinfo calls the processor, or the architecture."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
