#!/usr/bin/env bash
# Jester v1, from the official download to numbers. Top-1 that others published with these settings:
#   TSM-ResNet-50, 8 frames      96.0 one clip, centre crop; 97.0 two clips, full resolution   (AdaFocus V2, Table 5; TSM, Table 1)
#   GFNet, 8 + 12 frames, 128    96.6 one clip, centre crop, at 18.5 GMACs, trained end to end (README of AdaFocusV2)
# None of them has been reproduced here: the data may not be redistributed, and this recipe has not been run on it yet.
source "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"
[ $# -ge 1 ] || usage jester
something jester "$1" "${2:-data/jester}"
