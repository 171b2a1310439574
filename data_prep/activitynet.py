"""Prepare ActivityNet 1.3 from its official download: python data_prep/activitynet.py SRC DST [OPTIONS]"""

from __future__ import annotations

import sys

from gfnet_video.cli.main import main

if __name__ == "__main__":  # the processes that decode import this file too
    main(["prepare", "activitynet", *sys.argv[1:]])
