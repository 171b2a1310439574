# What the recipes share; sourced by each, never run. Functions print the command they run.
set -euo pipefail

usage() { echo "usage: $0 DOWNLOADS [DATA]   (DOWNLOADS: the official archives; DATA: where to put the data, default data/$1)" >&2; exit 2; }

run() { printf '\n$'; printf ' %q' "$@"; printf '\n'; "$@"; }

# A training that is finished is kept, an interrupted one goes on.
train() { # dataset data run-name config [options...]
    local dataset=$1 data=$2 name=$3 config=$4
    shift 4
    run gfnet-video train --dataset "$dataset" --data "$data" --config "$config" --run "runs/$name" --resume "$@"
}

# Accuracy under the published protocols: one clip and the centre crop, or two clips and three crops at full resolution.
measure() { # dataset data run-name protocol
    run gfnet-video eval --dataset "$1" --data "$2" --model "runs/$3/model" --protocol "$4"
}

# The recipe of Something-Something and Jester: TSM, then GFNet after AdaFocus V1 with patches of 128 and of 144.
something() { # dataset downloads data
    local name=$1 downloads=$2 data=$3
    run gfnet-video prepare "$name" "$downloads" "$data"

    train "$name" "$data" "tsm_mobilenetv2_$name" "${name}_mobilenetv2_tsm"
    train "$name" "$data" "tsm_resnet50_$name" "${name}_resnet50_tsm"
    train "$name" "$data" "tsm_resnet50_${name}_12" "${name}_resnet50_tsm" --set model.frames=12 --set "name=tsm_resnet50_${name}_12"
    train "$name" "$data" "gfnet_resnet50_$name" "${name}_resnet50_gfnet"
    train "$name" "$data" "gfnet_resnet50_${name}_144" "${name}_resnet50_gfnet" --set model.focus.side=144 --set "name=gfnet_resnet50_${name}_144"
    run gfnet-video calibrate "runs/gfnet_resnet50_$name/model" --dataset "$name" --data "$data"

    measure "$name" "$data" "tsm_resnet50_$name" centre
    measure "$name" "$data" "tsm_resnet50_$name" full
    measure "$name" "$data" "gfnet_resnet50_$name" centre
    measure "$name" "$data" "gfnet_resnet50_${name}_144" centre
}
