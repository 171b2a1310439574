#!/usr/bin/env bash
# ActivityNet 1.3, from what was crawled of it to numbers. Mean average precision that others published with 16 frames:
#   GFNet, MobileNetV2 at 224 + ResNet-50 on patches of 128   75.0 at 26.6 GMACs by reinforcement   (AdaFocus V1)
#                                                             79.0 at 27.0 GMACs, end to end        (README of AdaFocusV2)
# Neither has been reproduced here: the videos may not be redistributed, and this recipe has not been run on them yet.
# A video is one clip; those that YouTube no longer has are accounted for and left out, so that numbers compare only
# where the same videos were had.
source "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"
[ $# -ge 1 ] || usage activitynet
downloads=$1 data=${2:-data/activitynet}

run gfnet-video prepare activitynet "$downloads" "$data" || [ $? -eq 1 ] # 1: some videos are missing, as is usual

train activitynet "$data" gfnet_resnet50_activitynet activitynet_resnet50_gfnet
train activitynet "$data" tsm_resnet50_activitynet activitynet_resnet50_tsm
run gfnet-video calibrate runs/gfnet_resnet50_activitynet/model --dataset activitynet --data "$data"

measure activitynet "$data" gfnet_resnet50_activitynet centre
measure activitynet "$data" tsm_resnet50_activitynet centre
