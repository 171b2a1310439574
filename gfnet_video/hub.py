"""The Hugging Face Hub: fetching a checkpoint's files, sending them, and the page that introduces them there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gfnet_video.errors import CheckpointError

PREFIX = "hf-hub:"
FILES = ("config.json", "model.safetensors")
PAGE = "README.md"


def on_hub(name: str | Path) -> bool:
    """Whether a model's name says that it lies on the Hub: `hf-hub:org/name`, as in timm."""
    return str(name).startswith(PREFIX)


def fetched(name: str) -> Path:
    """The local folder of `hf-hub:org/name`, or of `hf-hub:org/name@revision`; only a checkpoint's files are fetched.

    What was fetched before is found again without a network. Raises CheckpointError.
    """
    from huggingface_hub import snapshot_download

    repo, _, revision = name.removeprefix(PREFIX).partition("@")
    try:
        return Path(snapshot_download(repo, revision=revision or None, allow_patterns=list(FILES)))
    except Exception as error:  # the hub raises many kinds: offline, refused, absent, misnamed
        words = (str(error).strip().splitlines() or [""])[0]
        raise CheckpointError(
            f"{name}: could not be fetched ({type(error).__name__}: {words}); expected hf-hub:org/name, sent by "
            "push_to_hub; without a network, load the folder that save_pretrained wrote"
        ) from error


def sent(folder: Path, repo: str, *, private: bool, token: str | None) -> str:
    """Create the repository unless it is there, send the folder's files, and return the address."""
    from huggingface_hub import HfApi

    hub = HfApi(token=token)
    where = hub.create_repo(repo, private=private, exist_ok=True)
    hub.upload_folder(repo_id=repo, folder_path=folder, allow_patterns=[*FILES, PAGE])
    return str(where)


def page(described: Mapping[str, Any], *, licence: str = "") -> str:
    """The README.md of a checkpoint from its own config.json: what it is, made of, measured at, and how to use it."""
    model, made = described["config"]["model"], described["provenance"]
    looks = [look for look in (model["glance"], model.get("focus")) if look]
    head = ["---", "library_name: gfnet-video", "pipeline_tag: video-classification", "tags: [early-exit]"]
    head += [f"license: {licence}"] if licence else []
    networks = " and ".join(f"{look['backbone']} at {look['side']} pixels" for look in looks)
    lines = [
        *head,
        "---",
        f"# {described['config']['name']}",
        "",
        f"Recognises {model['classes']} classes in {model['frames']} frames of {model['frame_side']} pixels: "
        f"{networks}. Glance and focus (arXiv 2201.03014) with early exits, written by gfnet-video.",
        "",
        "## Measured",
        "",
        *(_results(described["results"]) or ["Nothing is recorded."]),
        "",
        "## Training data and licence",
        "",
        *([f"- {key.replace('_', ' ')}: {value}" for key, value in made.items()] or ["Nothing is recorded."]),
        f"- licence of the weights: {licence or 'not stated'}",
        "",
        "## Use",
        "",
        "    import gfnet_video as gf",
        "    model = gf.load('hf-hub:ORG/NAME')   # or the folder; verify=True also runs the self-test",
        "    print(gf.predict(model, 'video.mp4'))",
        "",
        "`config.json` holds the logits of a seeded clip; `verify=True` compares them with what this machine computes.",
    ]
    return "\n".join(lines) + "\n"


def _results(results: Mapping[str, Any]) -> list[str]:
    """One line for each split that was measured, shares in percent."""
    return [
        f"- {split}: " + ", ".join(f"{name} {100 * value:.1f} %" for name, value in found.items())
        for split, found in results.items()
        if found and all(isinstance(value, float) for value in found.values())
    ]
