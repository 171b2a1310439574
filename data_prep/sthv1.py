"""Prepare Something-Something V1 from its official download: python data_prep/sthv1.py SRC DST [OPTIONS]"""

from __future__ import annotations

import sys

from gfnet_video.cli.main import main

if __name__ == "__main__":  # the processes that decode import this file too
    main(["prepare", "sthv1", *sys.argv[1:]])
