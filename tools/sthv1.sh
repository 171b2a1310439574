#!/usr/bin/env bash
# Something-Something V1, from the official download to numbers. Top-1 that others published with these settings:
#   TSM-ResNet-50, 8 frames      45.6 one clip, centre crop; 47.2 two clips, full resolution   (README of temporal-shift-module)
#   GFNet, 8 + 12 frames, 144    47.0 one clip, centre crop, at 23.5 GMACs                     (AdaFocus V1, Table 3)
#   GFNet, 8 + 12 frames, 128    47.0 one clip, centre crop, at 18.5 GMACs, trained end to end (README of AdaFocusV2)
# None of them has been reproduced here: the data may not be redistributed, and this recipe has not been run on it yet.
source "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"
[ $# -ge 1 ] || usage sthv1
downloads=$1 data=${2:-data/sthv1}

run gfnet-video prepare sthv1 "$downloads" "$data"

train sthv1 "$data" tsm_mobilenetv2_sthv1 sthv1_mobilenetv2_tsm
train sthv1 "$data" tsm_resnet50_sthv1 sthv1_resnet50_tsm
train sthv1 "$data" tsm_resnet50_sthv1_12 sthv1_resnet50_tsm --set model.frames=12 --set name=tsm_resnet50_sthv1_12
train sthv1 "$data" gfnet_resnet50_sthv1 sthv1_resnet50_gfnet
train sthv1 "$data" gfnet_resnet50_sthv1_144 sthv1_resnet50_gfnet --set model.focus.side=144 --set name=gfnet_resnet50_sthv1_144
run gfnet-video calibrate runs/gfnet_resnet50_sthv1/model --dataset sthv1 --data "$data"

measure sthv1 "$data" tsm_resnet50_sthv1 centre
measure sthv1 "$data" tsm_resnet50_sthv1 full
measure sthv1 "$data" gfnet_resnet50_sthv1 centre
measure sthv1 "$data" gfnet_resnet50_sthv1_144 centre
