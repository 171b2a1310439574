"""`python -m gfnet_video` is `gfnet-video`."""

from __future__ import annotations

from gfnet_video.cli.main import main

if __name__ == "__main__":
    main()
