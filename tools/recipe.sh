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
