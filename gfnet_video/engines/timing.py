"""Seconds by part, taken where the parts begin and end."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from gfnet_video.model import GFNet

T = TypeVar("T")
LOOKS = {"glance_net": "glance", "policy": "locate", "focus_net": "focus", "aggregator": "aggregate"}
Seconds = defaultdict[str, float]


def counted(seconds: Seconds | None) -> Seconds:
    """What seconds are added to: where nobody asked for them, a count that is dropped."""
    return defaultdict(float) if seconds is None else seconds


@contextmanager
def timed_looks(model: GFNet, seconds: Seconds) -> Iterator[None]:
    """Add to `seconds` what each of the four looks takes while the context lasts."""
    begun: dict[str, float] = {}
    hooks: list[Any] = []
    for child, look in LOOKS.items():
        module = getattr(model, child)
        if module is None:
            continue

        def before(*_: Any, look: str = look) -> None:
            begun[look] = time.perf_counter()

        def after(*_: Any, look: str = look) -> None:
            seconds[look] += time.perf_counter() - begun[look]

        hooks += [module.register_forward_pre_hook(before), module.register_forward_hook(after)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def timed_items(items: Iterable[T], seconds: Seconds, part: str) -> Iterator[T]:
    """The items, adding to `seconds[part]` the time each takes to come."""
    source = iter(items)
    while True:
        began = time.perf_counter()
        try:
            item = next(source)
        except StopIteration:
            return
        finally:
            seconds[part] += time.perf_counter() - began
        yield item
