"""Streams one generation of a GrpcLlm service and prints what it received, as JSON lines.

Usage: client.py ADDRESS SCENARIO_JSON
"""

import json
import sys
import time

import grpc
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2
from grpcllm.v1 import generation_pb2, generation_pb2_grpc


def connect(address, service_config):
    """A channel for long streams: retries before the first token, and pings that notice a dead connection."""
    return grpc.insecure_channel(address, options=[
        ("grpc.service_config", service_config),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.bdp_probe", 0),  # No window that grows while nobody reads: who pauses, pauses the model.
    ])


class Answer:
    """Puts an answer together from its chunks."""

    def __init__(self):
        self.text = ""
        self.tool_calls = {}

    def add(self, chunk):
        delta = chunk.WhichOneof("delta")  # None: nothing to show, or a kind of delta newer than this client.
        if delta == "text":
            self.text += chunk.text
        elif delta == "tool_call":
            call = self.tool_calls.setdefault(chunk.tool_call.index, {"id": "", "name": "", "arguments": ""})
            call["id"] += chunk.tool_call.id
            call["name"] += chunk.tool_call.name
            call["arguments"] += chunk.tool_call.arguments_fragment


def describe_end(call):
    """Status and trailers, the binary ones decoded."""
    trailers = dict(call.trailing_metadata() or ())
    end = {"code": call.code().name, "message": call.details(), "trailers": ascii_only(trailers)}
    if summary := trailers.get("generation-summary-bin"):
        end["summary"] = json_format.MessageToDict(generation_pb2.GenerationSummary.FromString(summary))
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b"")).details:
        if detail.Unpack(info):
            end["error"] = json_format.MessageToDict(info)
        elif detail.Unpack(bad_request):
            end["violations"] = [violation.field for violation in bad_request.field_violations]
    return end


def ascii_only(metadata):
    return {key: value for key, value in dict(metadata or ()).items() if not key.endswith("-bin")}


def show(kind, value):
    print(json.dumps({kind: value}), flush=True)


def play(scenario, call, number, chunk):
    """Prints a message, and does what the scenario wants after it."""
    if number == 1:
        show("headers", ascii_only(call.initial_metadata()))
    show("chunk", json_format.MessageToDict(chunk))
    if number == scenario.get("cancel_after"):
        call.cancel()
    if number == 1 and "pause_ms" in scenario:
        time.sleep(scenario["pause_ms"] / 1000)


def main(address, scenario):
    request = json_format.ParseDict(scenario["request"], generation_pb2.GenerateRequest())
    metadata = list(scenario.get("metadata", {}).items())
    timeout = scenario["deadline_ms"] / 1000 if "deadline_ms" in scenario else None
    with connect(address, scenario.get("service_config", "{}")) as channel:
        answer = Answer()
        service = generation_pb2_grpc.GenerationServiceStub(channel)
        call = service.Generate(request, metadata=metadata, timeout=timeout)
        try:
            for number, chunk in enumerate(call, start=1):
                answer.add(chunk)
                play(scenario, call, number, chunk)
        except grpc.RpcError:
            pass  # The call itself tells the status, as on success.
        show("answer", {"text": answer.text, "tool_calls": list(answer.tool_calls.values())})
        show("end", describe_end(call))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
