"""One training in several processes, as torchrun starts them: who has which clips, and what all of them agree on.

A stage's batch is the global one and is parted evenly, so that a config means the same training for any number of
processes. Gradients are summed after the backward pass, in buckets, without overlapping it: the losses call the looks
one by one, which torch's DistributedDataParallel cannot wrap. Batch norms that train see their own process's clips
alone unless train.sync_batchnorm is on; the running statistics kept are those of process 0. It alone writes.

Without a process group every function here is that of one process.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from timm.layers.norm_act import convert_sync_batchnorm
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous

from gfnet_video.config import StageConfig
from gfnet_video.datasets.clips import Clips
from gfnet_video.errors import ConfigError, ProcessError
from gfnet_video.evaluation.metrics import StepLogits, step_logits_of
from gfnet_video.model import GFNet
from gfnet_video.nn.device import device_of, pick_device
from gfnet_video.training.dice import Share

T = TypeVar("T")
MEET = timedelta(minutes=5)  # until all processes have found each other
WAIT = timedelta(hours=12)  # for one that decodes a data set; one that ends is noticed at once
BUCKET = 1 << 23  # numbers that are summed in one message


@dataclass(frozen=True)
class Ranks:
    """This process's place among the `world` processes of a training, and among those of its machine."""

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def part(self, batch: int) -> slice:
        """Which clips of a batch are this process's: one after the other, so that all in order are the batch."""
        each = batch // self.world
        return slice(self.rank * each, (self.rank + 1) * each)


def ranks_of(environ: Mapping[str, str] = os.environ) -> Ranks:
    """What torchrun says in RANK, WORLD_SIZE and LOCAL_RANK; one process without them. Raises ConfigError."""
    if "WORLD_SIZE" not in environ:
        return Ranks()
    found = {name: environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    if not all(value.isdecimal() for value in found.values()) or int(found["RANK"]) >= int(found["WORLD_SIZE"]):
        said = ", ".join(f"{name}={value!r}" for name, value in found.items())
        raise ConfigError(f"the environment says {said}; start the processes by torchrun, or unset WORLD_SIZE")
    return Ranks(*(int(value) for value in found.values()))


def device_for(name: str, ranks: Ranks) -> torch.device:
    """As `pick_device`; of several processes on a machine, each takes the GPU of its own number.

    Raises ConfigError for a device that is not there, or one GPU for several processes.
    """
    if ranks.world == 1:
        return pick_device(name)
    if name.startswith("cuda:"):
        raise ConfigError(f"device is {name!r} for {ranks.world} processes; use cuda or auto: one GPU for each")
    device = pick_device(name)
    return pick_device(f"cuda:{ranks.local}") if device.type == "cuda" else device


@contextmanager
def joined(ranks: Ranks, device: torch.device) -> Iterator[None]:
    """Within, the processes of a training form a group: gloo's on CPUs, NCCL's beside it on GPUs.

    Raises ProcessError where they cannot find each other.
    """
    if ranks.world == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        store, _, _ = next(iter(rendezvous("env://", ranks.rank, ranks.world, timeout=MEET)))
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=ranks.rank, world_size=ranks.world, timeout=WAIT)
    except (RuntimeError, ValueError, OSError) as error:
        where = ":".join(os.environ.get(name, "?") for name in ("MASTER_ADDR", "MASTER_PORT"))
        raise ProcessError(
            f"process {ranks.rank} of {ranks.world} cannot form a group with the others at {where}: "
            f"{_first_line(error)}; start all of them by: torchrun --nproc-per-node N -m gfnet_video train ..."
        ) from error
    yield
    dist.destroy_process_group()  # not after an error: the others are not there to take leave of


def here() -> Ranks:
    """This process's place in the group that it has joined."""
    return Ranks(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else Ranks()


@contextmanager
def _together() -> Iterator[None]:
    """What torch says of a process that has gone is a sentence. Raises ProcessError."""
    try:
        yield
    except RuntimeError as error:
        raise ProcessError(
            f"process {here().rank} has lost another one ({_first_line(error)}); why that one ended, it says itself"
        ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def gathered(value: T) -> list[T]:
    """Every process's value, in their order. Raises ProcessError."""
    if here().world == 1:
        return [value]
    found: list[Any] = [None] * here().world
    with _together():
        dist.all_gather_object(found, value)
    return found


def summed(value: Tensor) -> Tensor:
    """The sum of every process's tensor, in its place. Raises ProcessError."""
    if here().world > 1:
        with _together():
            dist.all_reduce(value)
    return value


def side_by_side(rows: Tensor, share: Share) -> Tensor:
    """The rows (count,...) of every process's share, (whole,...). Raises ProcessError."""
    if share.count == share.whole:
        return rows
    whole = rows.new_zeros(share.whole, *rows.shape[1:])
    share.rows(whole).copy_(rows)
    return summed(whole)


@contextmanager
def first_alone() -> Iterator[None]:
    """Process 0 runs the block before the others do: it downloads, renders, decodes; they find it done."""
    if not here().first:
        gathered(None)
    yield
    if here().first:
        gathered(None)


def agree(what: str, value: object) -> None:
    """Raise ConfigError where the processes do not see the same."""
    told = gathered(value)
    strangers = [rank for rank, other in enumerate(told) if other != told[0]]
    if strangers:
        raise ConfigError(
            f"processes {strangers} do not see the same {what} as process 0; start all with the same arguments, on "
            "folders that all machines share"
        )


def check_batches(stages: Sequence[StageConfig]) -> None:
    """Raise ConfigError unless every stage's batch can be parted evenly."""
    world = here().world
    for number, stage in enumerate(stages):
        if stage.batch % world:
            near = max(world, stage.batch // world * world)
            raise ConfigError(
                f"stage {stage.name!r} has a batch of {stage.batch}, which {world} processes cannot part evenly; "
                f"--set train.stages.{number}.batch={near}, or start another number of processes"
            )


def shared_out(count: int, lost: list[str]) -> tuple[Share | None, list[str]]:
    """Of `count` readable clips here: their share of the batch, and what was lost of the batch anywhere.

    None where one process has no readable clip: nobody trains on that batch, as one process would not on none.
    """
    told = gathered((count, lost))
    counts = [n for n, _ in told]
    rank = here().rank
    share = Share(sum(counts[:rank]), count, sum(counts)) if all(counts) else None
    return share, [words for _, held in told for words in held]


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Sum every gradient over the processes; all have gradients of the same parameters, as they ran the same loss."""
    if here().world == 1:
        return
    for bucket in _buckets([p.grad for p in parameters if p.grad is not None]):
        flat = summed(torch.cat([g.flatten() for g in bucket]))
        for gradient, part in zip(bucket, flat.split([g.numel() for g in bucket]), strict=True):
            gradient.copy_(part.view(gradient.shape))


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    for tensor in tensors:
        if bucket and sum(t.numel() for t in bucket) + tensor.numel() > BUCKET:
            yield bucket
            bucket = []
        bucket.append(tensor)
    if bucket:
        yield bucket


def mean_of(values: Tensor) -> Tensor:
    """The mean of all processes' values together, as `values.mean()` is of one's."""
    return values.mean() if here().world == 1 else _mean_and_count(values)[0].to(values)


def std_of(values: Tensor) -> Tensor:
    """The standard deviation of all processes' values together, as `values.std()` is of one's."""
    if here().world == 1:
        return values.std()
    mean, count = _mean_and_count(values)
    squares = summed(((values.double() - mean) ** 2).sum())
    std: Tensor = (squares / (count - 1)).sqrt().to(values)
    return std


def _mean_and_count(values: Tensor) -> tuple[Tensor, Tensor]:
    exact = values.double()
    total, count = summed(torch.stack([exact.sum(), exact.new_tensor(exact.numel())]))
    return total / count, count


def spread(tensors: Iterable[Tensor]) -> None:
    """Give every process what process 0 has. Raises ProcessError."""
    if here().world > 1:
        for tensor in tensors:
            with _together():
                dist.broadcast(tensor.detach(), 0)


def synchronise(model: GFNet) -> None:
    """Let batch norms that train see the clips of all processes; names of weights stay. Raises ConfigError on CPUs."""
    if here().world == 1:
        return
    if device_of(model).type != "cuda":
        raise ConfigError(
            "train.sync_batchnorm is on, but torch synchronises batch norms on GPUs alone; on CPUs leave it off, or "
            "keep the statistics as they are: backbone_scale: 0"
        )
    convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]


def measured(model: GFNet, clips: Clips) -> StepLogits:
    """`step_logits_of` with the clips dealt out to the processes, each measured once; all have the whole result."""
    ranks, n = here(), len(clips)
    if ranks.world == 1:
        return step_logits_of(model, clips)
    found = step_logits_of(model, clips, places=range(ranks.rank, n, ranks.world))
    mine = slice(ranks.rank, n, ranks.world)
    parts = gathered((found.logits[mine], found.centres[mine], found.failed, found.seconds))
    logits, centres, failed = torch.empty_like(found.logits), torch.empty_like(found.centres), dict[int, str]()
    for rank, part in enumerate(parts):
        logits[rank :: ranks.world], centres[rank :: ranks.world] = part[:2]
        failed |= part[2]
    return StepLogits(logits, found.labels, centres, dict(sorted(failed.items())), sum(p[3] for p in parts))
