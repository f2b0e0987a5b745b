"""Measures the time to the first message, through several addresses in turn.

Usage: first_token.py KEY ADDRESS… (with the Python stubs on PYTHONPATH). Prints the medians in milliseconds.
"""

import statistics
import sys
import time

import grpc
from grpcllm.v1 import generation_pb2, generation_pb2_grpc

WARM_UP = 50
ROUNDS = 300


def first_message(service, metadata):
    request = generation_pb2.GenerateRequest(model="simulator-fast", prompt="p")
    request.limits.max_output_tokens = 1
    started = time.perf_counter()
    call = service.Generate(request, metadata=metadata)
    next(call)
    taken = time.perf_counter() - started
    for _ in call:
        pass
    return taken


def main(key, addresses):
    metadata = [("authorization", f"Bearer {key}")]
    services = [generation_pb2_grpc.GenerationServiceStub(grpc.insecure_channel(address)) for address in addresses]
    taken = [[] for _ in services]
    for number in range(WARM_UP + ROUNDS):
        for service, own in zip(services, taken):
            own.append(first_message(service, metadata))
    print(*(f"{statistics.median(own[WARM_UP:]) * 1000:.3f}" for own in taken))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
