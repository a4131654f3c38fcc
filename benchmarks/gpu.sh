#!/usr/bin/env bash
# All that needs a GPU, within ten minutes: self-test, tests under the marker gpu, compute-sanitizer, benchmarks.
#
#     benchmarks/gpu.sh [--dry-run] [--only WORD]
#
# --dry-run  prints each step, and checks as far as a machine without a GPU can that it would run: commands are there,
#            modules import, options are known, tests are collected; ends with an error where one would not
# --only     only steps whose name has WORD in it
# BUDGET_S   seconds in all, default 600: each step is ended after its own share, and gets no more than what is left
# PYTHON     the interpreter, default .venv/bin/python
# OUT        folder of the results, default benchmarks/results/CARD-COMMIT
#
# Leaves there a JSON file a benchmark (with hardware and commit), a log a step, machine.txt and summary.txt; what was
# done before the time was up is kept. Ends with an error that names the steps that failed or had no time.
# Needs `make environment`, one CuPy wheel (.venv/bin/pip install -e '.[cuda12]' or '.[cuda13]'), PyTorch with CUDA for
# the peers, compute-sanitizer of the CUDA toolkit.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

dry_run=false only=""
while [ $# -gt 0 ]; do
    case "$1" in
        --dry-run) dry_run=true ;;
        --only) only="${2-}"; shift ;;
        *) echo "unknown argument $1: allowed are --dry-run, --only WORD" >&2; exit 2 ;;
    esac
    shift
done
python=${PYTHON:-.venv/bin/python}
budget=${BUDGET_S:-600}
commit=$(git rev-parse --short=10 HEAD 2>/dev/null || echo unknown)
card=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -1 | tr -cs 'A-Za-z0-9\n' '-')
out=${OUT:-benchmarks/results/${card:-no-gpu}-$commit}
failed=() late=() steps=0

# step NAME SECONDS COMMAND ...: run it with a log of its name, or check it.
step() {
    local name=$1 seconds=$2 left code begun
    shift 2
    [[ $name == *"$only"* ]] || return 0
    steps=$((steps + 1))
    if $dry_run; then
        printf '%-26s %4d s  %s\n' "$name" "$seconds" "$*"
        check "$@" || failed+=("$name")
        return 0
    fi
    left=$((budget - SECONDS))
    if [ "$left" -lt 5 ]; then
        late+=("$name")
        echo "$name: no time left" | tee -a "$out/summary.txt"
        return 0
    fi
    [ "$left" -lt "$seconds" ] && seconds=$left
    begun=$SECONDS
    timeout --kill-after=10 "$seconds" "$@" >"$out/$name.log" 2>&1
    code=$?
    [ "$code" -eq 0 ] || failed+=("$name")
    echo "$name: exit code $code after $((SECONDS - begun)) of $seconds s" | tee -a "$out/summary.txt"
    [ "$code" -eq 0 ] || tail -n 5 "$out/$name.log"
}

# check COMMAND ...: whether it would run on a machine with a GPU.
check() {
    local said
    case "$*" in
        *" -m pytest "*) said=$("$@" --collect-only 2>&1) && [[ $said == *"::"* ]] ;;
        .ci/sanitize*) said=$(.ci/sanitize --dry-run "${@:2}" 2>&1) ;;
        *" -m benchmarks.gpu "*) said=$("$@" --check 2>&1) ;;
        *" -m benchmarks "*) said=$("$1" -m benchmarks "$4" --help 2>&1) && known_options "$said" "${@:5}" ;;
        *" -m deep_check "*) said=$("$1" -m deep_check "$4" --help 2>&1) && known_options "$said" "${@:5}" ;;
        *) said="not a known kind of command"; false ;;
    esac || { printf '    would not run: %s\n' "${said##*$'\n'}" >&2; return 1; }
}

# known_options HELP ARGUMENT ...: whether the help names every option.
known_options() {
    local help=$1 argument
    shift
    for argument in "$@"; do
        [[ $argument != --* || $help == *"$argument"[!a-z-]* ]] || { said="no option $argument"; return 1; }
    done
}

if [ ! -x "$python" ]; then
    echo "$python is missing: make environment" >&2
    exit 1
fi
if ! $dry_run; then
    if ! "$python" -c 'import cupy; assert cupy.cuda.runtime.getDeviceCount()' 2>/dev/null; then
        echo "no CuPy with a CUDA device here; --dry-run checks what can be checked" >&2
        exit 1
    fi
    mkdir -p "$out" || exit 1
    { date -u; echo "commit $commit"; git status --short 2>/dev/null; nvidia-smi -q 2>/dev/null; lscpu; } >"$out/machine.txt"
    : >"$out/summary.txt"
fi

gpu_tests=(tests/cuda tests/deep_check/cuda tests/deep_check/training/test_steps_cuda.py tests/sweep/test_cuda.py)
step self-test 120 "$python" -m deep_check selftest --device cuda
step tests 200 "$python" -m pytest -q -p no:cacheprovider -m gpu "${gpu_tests[@]}"
for precision in tf32 bf16 float32; do
    step "pgd-$precision" 50 "$python" -m benchmarks.gpu attack --precision "$precision" --out "$out/pgd-$precision.json"
    step "training-$precision" 50 "$python" -m benchmarks.gpu training --precision "$precision" --out "$out/training-$precision.json"
done
step sweep 60 "$python" -m benchmarks.gpu sweep --out "$out/sweep.json"
for kind in conv conv-input-gradient conv-weight-gradient batch-norm; do
    step "$kind" 60 "$python" -m benchmarks kernels --device cuda --only "${kind//-/ } stage" --repeats 5 --out "$out/$kind.json"
done
step sanitizer 90 .ci/sanitize tests/deep_check/cuda/test_attack.py tests/deep_check/cuda/test_networks.py
for precision in tf32 bf16 float32; do
    step "pgd-$precision-compiled" 90 "$python" -m benchmarks.gpu attack --precision "$precision" --peers compiled --out "$out/pgd-$precision-compiled.json"
done
step training-tf32-compiled 90 "$python" -m benchmarks.gpu training --precision tf32 --peers compiled --out "$out/training-tf32-compiled.json"
step attack 60 "$python" -m benchmarks attack --device cuda --repeats 3 --out "$out/attack.json"
step theory 60 "$python" -m benchmarks theory --repeats 3 --out "$out/theory.json"

if [ "$steps" -eq 0 ]; then
    echo "--only $only: no step has this in its name" >&2
    exit 2
fi
if [ ${#failed[@]} -gt 0 ] || [ ${#late[@]} -gt 0 ]; then
    echo "failed: ${failed[*]:-none}; no time left for: ${late[*]:-none}" >&2
    exit 1
fi
$dry_run && echo "all $steps steps would run; a GPU, CuPy, PyTorch with CUDA and compute-sanitizer are not checked"
exit 0
