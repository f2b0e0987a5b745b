# For checks that look at the metrics of a running server; sourced, in strict mode, from the top of the repository. Expects a
# built solution. Sets $work (a folder for the check), $grpc and $ops (free ports); what is in $pids is stopped at the end.
# shellcheck shell=bash disable=SC2034

work=$(mktemp -d)
pids=()

finish() {
  local status=$? pid
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  [ "$status" -eq 0 ] || tail -n 20 "$work"/*.log
  rm -rf "$work"
}
trap finish EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

grpc=$(free_port) ops=$(free_port)

# await SECONDS COMMAND…: tries until it succeeds.
await() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || { echo "gave up on: $*"; return 1; }
    sleep 0.2
  done
}

# start_server SETTING…: on $grpc and $ops.
start_server() {
  dotnet run --no-build --project src/GrpcLlm.Server -- --Kestrel:Endpoints:Grpc:Url=http://127.0.0.1:"$grpc" \
    --Kestrel:Endpoints:Ops:Url=http://127.0.0.1:"$ops" "$@" >"$work/server.log" 2>&1 &
  pids+=($!)
  await 60 curl --silent --fail http://127.0.0.1:"$ops"/readyz
}

metrics() { curl --silent --fail http://127.0.0.1:"$ops"/metrics; }

# generate MODEL TOKENS OPTION…
generate() {
  dotnet run --no-build --project src/GrpcLlm.Cli -- \
    generate hello --model "$1" --max-tokens "$2" --address http://127.0.0.1:"$grpc" "${@:3}"
}
