#!/usr/bin/env bash
# Compiles the contract to artifacts/ghz/grpcllm.protoset, for ghz (--protoset) and any other tool that reads descriptors.
# Takes buf or protoc, whichever is there.
set -euo pipefail
cd "$(dirname "$0")/../.."

out=artifacts/ghz/grpcllm.protoset
mkdir -p "$(dirname "$out")"
if command -v protoc >/dev/null; then
  protoc -I protos --include_imports --descriptor_set_out="$out" protos/grpcllm/v1/generation.proto
elif command -v buf >/dev/null; then
  buf build --as-file-descriptor-set -o "$out#format=binpb"
else
  echo "protoset.sh: neither protoc (Debian: protobuf-compiler) nor buf (npm: @bufbuild/buf) is here" >&2
  exit 127
fi
echo "$out"
