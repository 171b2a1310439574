"""What published networks call their tensors, from timm's names of the same computation."""

from __future__ import annotations

from collections.abc import Callable

from gfnet_video.model import GFNet
from gfnet_video.nn.backbone import Backbone, shifted_convs

Rename = Callable[[str], str]
BLOCKS = (1, 2, 3, 4, 3, 3, 1)  # of each stage of MobileNetV2
FIRST = {"conv_dw": 0, "bn1": 1, "conv_pw": 3, "bn2": 4}  # the block without expansion
EXPANDED = {"conv_pw": 0, "bn1": 1, "conv_dw": 3, "bn2": 4, "conv_pwl": 6, "bn3": 7}
ENDS = {"conv_stem": "0.0", "bn1": "0.1", "conv_head": "18.0", "bn2": "18.1"}


def same(name: str) -> str:
    """torchvision's ResNets are named as timm's are."""
    return name


def mobilenet_v2(name: str) -> str:
    """tonylins/pytorch-mobilenet-v2, on which TSM and AdaFocus build: numbered layers.

    >>> mobilenet_v2("blocks.1.0.bn1.weight"), mobilenet_v2("conv_head.weight")
    ('features.2.conv.1.weight', 'features.18.0.weight')
    """
    head, _, rest = name.partition(".")
    if head in ENDS:
        return f"features.{ENDS[head]}.{rest}"
    stage, block, layer, rest = rest.split(".", 3)
    number = 1 + sum(BLOCKS[: int(stage)]) + int(block)
    return f"features.{number}.conv.{(FIRST if stage == '0' else EXPANDED)[layer]}.{rest}"


def numbered_resnet(name: str) -> str:
    """torchvision's ResNet as a sequence of its children: AdaFocus's focus network.

    >>> numbered_resnet("layer2.0.conv1.weight")
    '5.0.conv1.weight'
    """
    head, _, rest = name.partition(".")
    number = int(head.removeprefix("layer")) + 3 if head.startswith("layer") else {"conv1": 0, "bn1": 1}[head]
    return f"{number}.{rest}"


PYCLS = (
    ("conv1.conv.", "f.a."),
    ("conv1.bn.", "f.a_bn."),
    ("conv2.conv.", "f.b."),
    ("conv2.bn.", "f.b_bn."),
    ("conv3.conv.", "f.c."),
    ("conv3.bn.", "f.c_bn."),
    ("se.fc1.", "f.se.f_ex.0."),
    ("se.fc2.", "f.se.f_ex.2."),
    ("downsample.conv.", "proj."),
    ("downsample.bn.", "bn."),
)


def pycls_regnet(name: str) -> str:
    """pycls's RegNetY.

    >>> pycls_regnet("s2.b1.conv1.bn.weight"), pycls_regnet("stem.conv.weight")
    ('s2.b1.f.a_bn.weight', 'stem.conv.weight')
    """
    stage, _, rest = name.partition(".b")
    block, _, layer = rest.partition(".")
    for ours, theirs in PYCLS:
        if layer.startswith(ours):
            return f"{stage}.b{block}.{theirs}{layer.removeprefix(ours)}"
    return name


def gru(ours: str, theirs: str) -> dict[str, str]:
    """A GRU cell's tensors from those of a GRU of one layer."""
    return {f"{ours}.{leaf}": f"{theirs}.{leaf}_l0" for leaf in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}


def linear(ours: str, theirs: str) -> dict[str, str]:
    """The two tensors of a linear layer."""
    return {f"{ours}.{leaf}": f"{theirs}.{leaf}" for leaf in ("weight", "bias")}


def look(model: GFNet, part: str, rename: Rename, before: str, head: str, *, wrapped: bool) -> dict[str, str]:
    """A look's backbone and its linear classifier `head`. part: glance_net or focus_net; wrapped: as `names_of`."""
    backbone = names_of(getattr(model, part).backbone, rename, before=before, wrapped=wrapped)
    found = {f"{part}.backbone.{ours}": theirs for ours, theirs in backbone.items()}
    return found | linear(f"{part}.classifier.linear", head)


def actor_policy(model: GFNet, before: str) -> dict[str, str]:
    """An ActorPolicy with a GRU: its layers have the published numbers."""
    assert model.policy is not None
    encoder = [name for name in model.policy.state_dict() if name.startswith("encoder.")]
    found = {f"policy.{name}": f"{before}state_{name}" for name in encoder}
    return found | gru("policy.gru", f"{before}gru") | linear("policy.actor", f"{before}actor.0")


def names_of(backbone: Backbone, rename: Rename, *, before: str, wrapped: bool) -> dict[str, str]:
    """Our name of each tensor of a backbone -> the published one. before: what stands in front of all of them.

    wrapped: TSM puts the convolutions whose input is shifted into a module, so that `.net` follows their names.
    """
    inside = shifted_convs(backbone) if wrapped else set()
    found = {}
    for ours, theirs in backbone.timm_names.items():
        module, _, leaf = rename(theirs).rpartition(".")
        held = ".net" if theirs.rpartition(".")[0] in inside else ""
        found[ours] = f"{before}{module}{held}.{leaf}"
    return found
