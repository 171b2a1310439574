#!/usr/bin/env bash
# Jester v1, from the official download to numbers. Top-1 that others published with these settings:
#   TSM-ResNet-50, 8 frames      96.0 one clip, centre crop; 97.0 two clips, full resolution   (AdaFocus V2, Table 5; TSM, Table 1)
#   GFNet, 8 + 12 frames, 128    96.6 one clip, centre crop, at 18.5 GMACs, trained end to end (README of AdaFocusV2)
# None of them has been reproduced here: the data may not be redistributed, and this recipe has not been run on it yet.
source "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"
[ $# -ge 1 ] || usage jester
downloads=$1 data=${2:-data/jester}

run gfnet-video prepare jester "$downloads" "$data"

train jester "$data" tsm_mobilenetv2_jester jester_mobilenetv2_tsm
train jester "$data" tsm_resnet50_jester jester_resnet50_tsm
train jester "$data" tsm_resnet50_jester_12 jester_resnet50_tsm --set model.frames=12 --set name=tsm_resnet50_jester_12
train jester "$data" gfnet_resnet50_jester jester_resnet50_gfnet
train jester "$data" gfnet_resnet50_jester_144 jester_resnet50_gfnet --set model.focus.side=144 --set name=gfnet_resnet50_jester_144
run gfnet-video calibrate runs/gfnet_resnet50_jester/model --dataset jester --data "$data"

measure jester "$data" tsm_resnet50_jester centre
measure jester "$data" tsm_resnet50_jester full
measure jester "$data" gfnet_resnet50_jester centre
measure jester "$data" gfnet_resnet50_jester_144 centre
