#!/usr/bin/env bash
# Something-Something V2, from the official download to numbers. Top-1 that others published with these settings:
#   TSM-ResNet-50, 8 frames      59.1 one clip, centre crop; 61.2 two clips, full resolution   (AdaFocus V2, Table 5; README of temporal-shift-module)
#   GFNet, 8 + 12 frames, 144    59.7 one clip, centre crop, at 23.5 GMACs                     (AdaFocus V1, Table 3)
#   GFNet, 8 + 12 frames, 128    59.6 one clip, centre crop, at 18.5 GMACs, trained end to end (README of AdaFocusV2)
# None of them has been reproduced here: the data may not be redistributed, and this recipe has not been run on it yet.
source "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"
[ $# -ge 1 ] || usage sthv2
something sthv2 "$1" "${2:-data/sthv2}"
