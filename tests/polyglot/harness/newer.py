"""A tiny service of a later version: streams chunks with fields, a kind of delta and an enum value unknown today.

Usage: newer.py (with the messages of newer.proto on PYTHONPATH). Prints its address, and serves until stopped.
"""

import concurrent.futures

import grpc
import newer_pb2

TEXT = ["known", " and known"]
FINISH_REASON = 99


def generate(request, context):
    started = newer_pb2.Started(request_id="newer", region="moon")
    gap = {"token_count": 1, "token_gaps_us": [7]}
    yield newer_pb2.TokenChunk(sequence=1, started=started, text=TEXT[0], annotations=["a", "b"], **gap)
    yield newer_pb2.TokenChunk(sequence=2, citation=newer_pb2.Citation(url="https://example.com/"), **gap)
    yield newer_pb2.TokenChunk(sequence=3, text=TEXT[1], **gap)
    finish = newer_pb2.Finish(reason=FINISH_REASON, streamed_tokens=3, energy_joules=0.5)
    yield newer_pb2.TokenChunk(sequence=4, finish=finish)


def main():
    handler = grpc.unary_stream_rpc_method_handler(
        generate, response_serializer=newer_pb2.TokenChunk.SerializeToString)
    server = grpc.server(concurrent.futures.ThreadPoolExecutor())
    server.add_generic_rpc_handlers([
        grpc.method_handlers_generic_handler("grpcllm.v1.GenerationService", {"Generate": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
