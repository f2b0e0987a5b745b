#!/usr/bin/env bash
# Runs the profiles of this folder with ghz and reports on them: TTFT, TPOT and what limits them.
#
#   run.sh [--protoset] [--host HOST:PORT] [--out FOLDER] [PROFILE…]
#
# Without a profile: ttft, tpot, full, trace, probe (beside background). Others by name: open-loop, soak, cancel-storm.
# GRPCLLM is the command line of this project; default: dotnet run. GHZ is the program; default: ghz.
# Ends with the report's exit code; 127 where ghz is not installed, 2 for wrong usage.
set -euo pipefail

usage() {
  sed -n '2,8s/^# \{0,1\}//p' "$here/run.sh"
}

here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

host=
out=artifacts/ghz
protoset=
profiles=()
while [ $# -gt 0 ]; do
  case $1 in
    --protoset) protoset=artifacts/ghz/grpcllm.protoset ;;
    --host | --out)
      [ $# -gt 1 ] || { echo "run.sh: $1 needs a value" >&2; exit 2; }
      if [ "$1" = --host ]; then host=$2; else out=$2; fi
      shift
      ;;
    -h | --help) usage; exit 0 ;;
    -*) echo "run.sh: $1 is not known" >&2; usage >&2; exit 2 ;;
    *) profiles+=("$1") ;;
  esac
  shift
done
[ ${#profiles[@]} -gt 0 ] || profiles=(ttft tpot full trace probe)

for profile in "${profiles[@]}"; do
  [ -f "loadtest/ghz/$profile.json" ] || { echo "run.sh: there is no profile '$profile' in loadtest/ghz" >&2; exit 2; }
done

ghz=${GHZ:-ghz}
if ! command -v "$ghz" >/dev/null; then
  cat >&2 <<'END'
run.sh: ghz is not installed. Get it as one of
  a release binary       https://github.com/bojand/ghz/releases
  Go                     go install github.com/bojand/ghz/cmd/ghz@v0.121.0
  Homebrew               brew install ghz
  a container            docker run --rm --network host -v "$PWD:/w" -w /w ghcr.io/bojand/ghz:0.121.0 --config loadtest/ghz/ttft.json
or run the same profiles without it:
  dotnet run --project src/GrpcLlm.Cli -- bench --config loadtest/ghz/ttft.json
END
  exit 127
fi

if [ -n "${GRPCLLM:-}" ]; then
  read -ra grpcllm <<<"$GRPCLLM"
else
  grpcllm=(dotnet run --project src/GrpcLlm.Cli --)
fi

mkdir -p "$out"
[ -z "$protoset" ] || loadtest/ghz/protoset.sh >&2

# A profile as it is run: with --protoset the compiled contract takes the place of the proto, which would win otherwise.
config() {
  if [ -z "$protoset" ]; then
    echo "loadtest/ghz/$1.json"
    return
  fi
  sed -e "s|^  \"proto\": .*|  \"protoset\": \"$protoset\",|" -e '/^  "import-paths": /d' \
    "loadtest/ghz/$1.json" >"$out/$1.config.json"
  echo "$out/$1.config.json"
}

# run PROFILE [GHZ ARGUMENT…]: ghz ends with 0 even if every call failed, so success is a report with calls in it.
run() {
  local profile=$1
  shift
  echo "run.sh: $profile" >&2
  rm -f "$out/$profile.json"
  "$ghz" --config "$(config "$profile")" --format json --output "$out/$profile.json" "$@" ${host:+"$host"} >&2
  [ -s "$out/$profile.json" ] || { echo "run.sh: ghz wrote no report for $profile" >&2; return 1; }
}

background=
trap '[ -z "$background" ] || kill "$background" 2>/dev/null || true' EXIT

# What belongs together is reported together: only means of the same load subtract.
reports=()
alone=()
for profile in "${profiles[@]}"; do
  case $profile in
    probe)
      # One caller that cuts its calls, while others carry whole streams: the time to first token under load.
      echo 'run.sh: background' >&2
      "$ghz" --config "$(config background)" --format json --output "$out/background.json" ${host:+"$host"} >&2 &
      background=$!
      sleep 2
      run probe
      wait "$background"
      background=
      alone+=("$out/probe.json")
      ;;
    trace)
      # Slow enough that ghz's log is not sampled: one caller, fewer than a hundred messages a second.
      rm -f "$out/trace.debug.jsonl"
      run trace --debug "$out/trace.debug.jsonl"
      alone+=("$out/trace.debug.jsonl")
      ;;
    ttft | tpot | full)
      run "$profile"
      reports+=("$out/$profile.json")
      ;;
    *)
      run "$profile"
      alone+=("$out/$profile.json")
      ;;
  esac
done

status=0
report() {
  "${grpcllm[@]}" bench report "$@" || status=$?
  echo
}
[ ${#reports[@]} -eq 0 ] || report "${reports[@]}"
for file in ${alone[@]+"${alone[@]}"}; do
  echo "$file"
  report "$file"
done
exit "$status"
