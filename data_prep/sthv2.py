"""Prepare Something-Something V2 from its official download: python data_prep/sthv2.py SRC DST [OPTIONS]"""

from __future__ import annotations

import sys

from gfnet_video.cli.main import main

if __name__ == "__main__":  # the processes that decode import this file too
    main(["prepare", "sthv2", *sys.argv[1:]])
