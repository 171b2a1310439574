"""python -m tests.training.ranks FOLDER: each scenario below in one process and in two, whose results go to FOLDER.

Processes are forked, so that torch is imported once; they meet on gloo, as those of torchrun do. What a scenario
returns, or the words of the error that ended it, is saved as NAME_WORLD_RANK.pt.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gfnet_video.config import Config, StageConfig, TrainConfig
from gfnet_video.errors import GFNetVideoError
from gfnet_video.model import GFNet
from gfnet_video.training import distributed, trainer
from gfnet_video.training.augment import augment, with_stills
from gfnet_video.training.dice import Dice
from gfnet_video.training.distributed import here, joined, measured, ranks_of, shared_out, sum_gradients
from gfnet_video.training.forward import replaced, shared_dropouts
from gfnet_video.training.learning import start_learning
from gfnet_video.training.losses import class_weights
from gfnet_video.training.step import Seen, Turn, losses
from gfnet_video.training.trainer import Report, train
from tests import models
from tests.training.test_trainer import KilledError, NoiseClips

STAGES = (
    StageConfig("glance", 1, 1e-2, train=("glance", "aggregator"), batch=4, optimiser="sgd", backbone_scale=0),
    StageConfig("warm-up", 1, 1e-2, patches="random", batch=4, tracks=2, optimiser="sgd", backbone_scale=0),
    StageConfig("policy", 1, 1e-2, patches="sampled", train=("policy",), batch=4, tracks=3, optimiser="sgd"),
    StageConfig(
        *("proposals", 1, 1e-2, "sampled", ("policy",)),
        **{"batch": 4, "tracks": 3, "optimiser": "sgd", "learner": "proposals", "policy_dropout": 0.3},
    ),
    StageConfig("tune", 1, 1e-2, patches="policy", batch=4, tracks=2, optimiser="sgd", backbone_scale=0),
)
PPO = StageConfig(
    *("ppo", 1, 1e-2, "sampled", ("policy",)), batch=4, optimiser="sgd", learner="ppo", reward="contrastive"
)
IMAGE = (STAGES[1], STAGES[2], PPO, STAGES[4])
HOW = TrainConfig(STAGES, translate=0.1, saturation=0.2, max_bad=0.1)
SPLIT = {1: [3], 2: [2, 1]}  # how many clips of a batch each process has


def dropping(patch: str = "per_frame", dtype: torch.dtype = torch.float32) -> GFNet:
    """A model whose looks drop features in training."""
    base = models.image() if patch == "image" else models.config()
    assert base.focus is not None
    looks = {"glance": replace(base.glance, dropout=0.3), "focus": replace(base.focus, dropout=0.3)}
    if patch == "image":
        return models.model(dtype=dtype, **(vars(base) | looks))
    order = "glance_first" if patch == "shared" else "interleaved"
    return models.model(patch=patch, order=order, dtype=dtype, **looks)


def gradients(folder: Path) -> dict[str, Any]:
    """Of every kind of stage, all weights open, batch norms in eval mode and dropout on; in double precision."""
    found: dict[str, Any] = {}
    for patch, stages in (("per_frame", STAGES), ("shared", STAGES[2:3]), ("image", IMAGE)):
        for stage in stages:
            model = dropping(patch, torch.float64).requires_grad_(True)
            for module in model.modules():
                module.train(isinstance(module, nn.Dropout))
            share, _ = shared_out(SPLIT[here().world][here().rank], [])
            assert share is not None
            frames, labels = models.frames(3, model.config.frames, torch.float64), torch.arange(3)
            torch.manual_seed(5)
            dice = Dice.seeded(5, share)
            frames, places = augment(share.rows(frames), torch.empty(share.count, 0, 2), HOW, dice)
            turn = Turn(stage, 0.5, class_weights([0, 0, 1, 2, 3, 4], 5), dice)
            learning = start_learning(model, stage, 0.0, 0)
            if learning.critic:
                learning.critic.double()
            with replaced(shared_dropouts(model, share)):
                loss, reward = next(iter(losses(learning, turn, Seen(frames, share.rows(labels), places))))
            part = share.count / share.whole
            (loss * part).backward()
            sum_gradients(model.parameters())
            held = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
            found[f"{patch} {stage.name}"] = (held, trainer._means(loss * part, reward, part))
    return found


def stills(folder: Path) -> dict[str, Any]:
    """Three clips with a still of each other mixed in, this process's of them."""
    share, _ = shared_out(SPLIT[here().world][here().rank], [])
    assert share is not None
    frames = share.rows(models.frames(3, 4, torch.float64))
    return {"mixed": with_stills(frames, 0.5, Dice.seeded(5, share)), "plain": frames}


def trained(folder: Path, *, kill: int = 0, resume: bool = False, **changes: Any) -> dict[str, Any]:
    """A whole training with one bad clip; kill: after so many batches."""
    model, reports = dropping(), list[tuple[object, ...]]()

    def listen(report: Report) -> None:
        reports.append((report.stage, report.batch, report.loss, report.reward, report.bad, report.lost))
        if len(reports) == kill:
            raise KilledError

    how = replace(HOW, **changes)
    train(model, NoiseClips(bad=(3,)), Config("mini", model.config, how), folder, resume=resume, listen=listen)
    return {"weights": model.state_dict(), "reports": reports}


def whole(folder: Path) -> dict[str, Any]:
    return trained(folder / f"run{here().world}")


def killed(folder: Path) -> dict[str, Any]:
    """In two processes, until the sixth batch."""
    try:
        return trained(folder / "killed", kill=6)
    except KilledError:
        return {}


def resumed(folder: Path) -> dict[str, Any]:
    """The rest of `killed`, in one process."""
    return trained(folder / "killed", resume=True)


def moving(folder: Path) -> dict[str, Any]:
    """Batch norms train: each process has its own statistics, until those of process 0 are kept."""
    stage = StageConfig("all", 1, 1e-3, patches="random", batch=4)
    return trained(folder / "moving", stages=(stage,))


def measuring(folder: Path) -> dict[str, Any]:
    steps = measured(models.model(), NoiseClips(bad=(2, 5)))
    return {"logits": steps.logits, "centres": steps.centres, "labels": steps.labels, "failed": steps.failed}


def too_bad(folder: Path) -> dict[str, Any]:
    train(dropping(), NoiseClips(bad=(3, 4)), Config("mini", dropping().config, HOW), folder / "bad")
    return {}


def odd(folder: Path) -> dict[str, Any]:
    return trained(folder / "odd", stages=(replace(STAGES[0], batch=5),))


def strange(folder: Path) -> dict[str, Any]:
    return trained(folder / "strange", seed=here().rank)


def synchronised(folder: Path) -> dict[str, Any]:
    return trained(folder / "sync", sync_batchnorm=True)


def dying(folder: Path) -> dict[str, Any]:
    """Process 1 ends in the middle of the training."""
    return trained(folder / "dying", kill=3 if here().rank else 0)


def alone(folder: Path) -> dict[str, Any]:
    """Process 1 does not come."""
    raise AssertionError("the group was formed")


def run(scenario: Callable[[Path], dict[str, Any]], world: int, folder: Path, *, absent: tuple[int, ...] = ()) -> None:
    """Fork `world` processes but those that are absent, and wait for them."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    children = []
    for rank in range(world):
        if rank not in absent and not (child := os.fork()):
            os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "WORLD_SIZE": str(world)}
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            try:
                with joined(ranks_of(), torch.device("cpu")):
                    result = scenario(folder)
            except (GFNetVideoError, KilledError) as error:
                result = {"error": type(error).__name__, "words": str(error)}
            torch.save(result, folder / f"{scenario.__name__}_{world}_{rank}.pt")
            os._exit(0)
        elif rank not in absent:
            children.append(child)
    for child in children:
        os.waitpid(child, 0)


def main() -> None:
    torch.set_num_threads(1)
    trainer.SAVE_EVERY = 0.0
    folder = Path(sys.argv[1])
    for scenario in (gradients, stills, whole, measuring, too_bad):
        run(scenario, 1, folder)
        run(scenario, 2, folder)
    for scenario in (killed, moving, odd, strange, synchronised, dying):
        run(scenario, 2, folder)
    run(resumed, 1, folder)
    distributed.MEET = timedelta(seconds=1)
    run(alone, 2, folder, absent=(1,))


if __name__ == "__main__":
    main()
