"""Prepare Jester from its official download: python data_prep/jester.py SRC DST [OPTIONS]"""

from __future__ import annotations

import sys

from gfnet_video.cli.main import main

if __name__ == "__main__":  # the processes that decode import this file too
    main(["prepare", "jester", *sys.argv[1:]])
