#!/usr/bin/env bash
# Something-Something V2, from the official download to numbers. Top-1 that others published with these settings:
#   TSM-ResNet-50, 8 frames      59.1 one clip, centre crop; 61.2 two clips, full resolution   (AdaFocus V2, Table 5; README of temporal-shift-module)
#   GFNet, 8 + 12 frames, 144    59.7 one clip, centre crop, at 23.5 GMACs                     (AdaFocus V1, Table 3)
#   GFNet, 8 + 12 frames, 128    59.6 one clip, centre crop, at 18.5 GMACs, trained end to end (README of AdaFocusV2)
# None of them has been reproduced here: the data may not be redistributed, and this recipe has not been run on it yet.
source "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"
[ $# -ge 1 ] || usage sthv2
downloads=$1 data=${2:-data/sthv2}

run gfnet-video prepare sthv2 "$downloads" "$data"

train sthv2 "$data" tsm_mobilenetv2_sthv2 sthv2_mobilenetv2_tsm
train sthv2 "$data" tsm_resnet50_sthv2 sthv2_resnet50_tsm
train sthv2 "$data" tsm_resnet50_sthv2_12 sthv2_resnet50_tsm --set model.frames=12 --set name=tsm_resnet50_sthv2_12
train sthv2 "$data" gfnet_resnet50_sthv2 sthv2_resnet50_gfnet
train sthv2 "$data" gfnet_resnet50_sthv2_144 sthv2_resnet50_gfnet --set model.focus.side=144 --set name=gfnet_resnet50_sthv2_144
run gfnet-video calibrate runs/gfnet_resnet50_sthv2/model --dataset sthv2 --data "$data"

measure sthv2 "$data" tsm_resnet50_sthv2 centre
measure sthv2 "$data" tsm_resnet50_sthv2 full
measure sthv2 "$data" gfnet_resnet50_sthv2 centre
measure sthv2 "$data" gfnet_resnet50_sthv2_144 centre
