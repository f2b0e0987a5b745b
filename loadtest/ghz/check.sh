#!/usr/bin/env bash
# Runs every profile of this folder in short through `grpcllm bench`, without ghz, against a server that is up: each must
# end well and leave its result in every form, and its ghz form must be a report that `bench report` takes.
#
#   check.sh [ADDRESS]        default: http://127.0.0.1:50051
#
# GRPCLLM is the command line of this project; default: dotnet run. CALLS is the number of calls of each; default: 12.
# Prints a line a profile; ends with 1 if one failed.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

address=${1:-http://127.0.0.1:50051}
calls=${CALLS:-12}
if [ -n "${GRPCLLM:-}" ]; then
  read -ra grpcllm <<<"$GRPCLLM"
else
  grpcllm=(dotnet run --project src/GrpcLlm.Cli --)
fi

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

fail() {
  echo "FAILED  $1: $2"
  tail -n 5 "$out/log" | sed 's/^/        /'
  failed=$((failed + 1))
}

# check PROFILE-FILE
check() {
  local name form result
  name=$(basename "$1" .json)
  result=$out/$name
  if ! "${grpcllm[@]}" bench --config "$1" --address "$address" --total "$calls" --error-budget 0 \
    --output "$result.json" --output "$result.html" --output "$result.csv" --output "$result.ghz.json" >"$out/log" 2>&1; then
    fail "$name" 'the run did not end well'
    return
  fi
  for form in json html csv ghz.json; do
    if [ ! -s "$result.$form" ]; then
      fail "$name" "no $form was written"
      return
    fi
  done
  for form in json ghz.json; do
    if ! "${grpcllm[@]}" bench report "$result.$form" >"$out/log" 2>&1; then
      fail "$name" "no report on $form"
      return
    fi
  done
  echo "ok      $name"
}

failed=0
profiles=(loadtest/ghz/*.json)
for profile in "${profiles[@]}"; do check "$profile"; done
echo "$((${#profiles[@]} - failed)) of ${#profiles[@]} profiles"
[ "$failed" -eq 0 ]
