#!/usr/bin/env bash
# All that is to be seen on one GPU, in 25 minutes: bash benchmarks/gpu.sh [FOLDER]
# Each part has a limit of its own and a file; parts whose file says "ended 0" are not run again.
set -uo pipefail
cd "$(dirname "$0")/.."
out=$(realpath -m "${1:-output/gpu}")
python=${PYTHON:-python}
large=aligndetr_k2_r50_4scale_12ep tiny=aligndetr_tiny
mkdir -p "$out"

part() { # NAME SECONDS COMMAND...: its output and how it ended in NAME.txt
    local name=$1 limit=$2
    shift 2
    if tail -n 1 "$out/$name.txt" 2>/dev/null | grep -qx "ended 0"; then
        echo "$name: done before"
        return
    fi
    printf '$ %s\n' "$*" >"$out/$name.txt"
    timeout --kill-after=10 "$limit" "$@" >>"$out/$name.txt" 2>&1
    local code=$?
    echo "ended $code" >>"$out/$name.txt"
    echo "$name: ended $code"
}

train() { # a short training on the demo set with overrides
    "$python" -m aligndetr train "$tiny" --overwrite train.max_iter=20 train.device=auto \
        dataloader.train.num_workers=2 dataloader.test.num_workers=0 "$@"
}
export -f train
export python tiny

part environment 60 "$python" -m aligndetr doctor --env
part tests 240 "$python" -m pytest -m gpu tests/gpu_offline tests/layers tests/engine
for size in 2 16; do
    for dtype in float32 bfloat16 float16; do
        part "step_${dtype}_$size" 100 "$python" -m benchmarks.gpu_step "$large" \
            --batch "$size" --dtype "$dtype"
    done
    for dtype in float32 bfloat16; do
        part "step_published_${dtype}_$size" 100 "$python" -m benchmarks.gpu_step "$large" \
            --batch "$size" --dtype "$dtype" --published
    done
    part "step_compiled_$size" 150 "$python" -m benchmarks.gpu_step "$large" \
        --batch "$size" --dtype bfloat16 --compile
done
for dtype in float32 bfloat16; do # beside the published operator, if that is compiled there
    part "operator_$dtype" 100 "$python" -m benchmarks.msda --device cuda --dtype "$dtype" \
        --output "$out/operator_$dtype.json"
done
for run in first second; do
    part "deterministic_$run" 90 bash -c \
        "train train.seed=1 train.deterministic=true train.output_dir='$out/$run'"
done
part nccl 90 "$python" -m torch.distributed.run --nproc-per-node 1 -m aligndetr train "$tiny" \
    --overwrite train.max_iter=20 train.output_dir="$out/nccl"
part profile 90 "$python" -m benchmarks.gpu_step "$large" --batch 2 --dtype bfloat16 --profile
