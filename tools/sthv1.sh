#!/usr/bin/env bash
# Something-Something V1, from the official download to numbers. Top-1 that others published with these settings:
#   TSM-ResNet-50, 8 frames      45.6 one clip, centre crop; 47.2 two clips, full resolution   (README of temporal-shift-module)
#   GFNet, 8 + 12 frames, 144    47.0 one clip, centre crop, at 23.5 GMACs                     (AdaFocus V1, Table 3)
#   GFNet, 8 + 12 frames, 128    47.0 one clip, centre crop, at 18.5 GMACs, trained end to end (README of AdaFocusV2)
# None of them has been reproduced here: the data may not be redistributed, and this recipe has not been run on it yet.
source "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"
[ $# -ge 1 ] || usage sthv1
something sthv1 "$1" "${2:-data/sthv1}"
