"""Runs one scenario against a GrpcLlm service and prints what it received, as JSON lines."""

import json
import sys

import grpc
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2
from grpcllm.v1 import generation_pb2, generation_pb2_grpc


def show(kind, value):
    print(json.dumps({kind: value}), flush=True)


def ascii_only(metadata):
    return {key: value for key, value in metadata or () if not key.endswith("-bin")}


def describe_end(call):
    trailers = call.trailing_metadata() or ()
    end = {"code": call.code().name, "message": call.details(), "trailers": ascii_only(trailers)}
    for key, value in trailers:
        if key == "generation-summary-bin":
            summary = generation_pb2.GenerationSummary.FromString(value)
            end["summary"] = json_format.MessageToDict(summary)
        elif key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
                    info = error_details_pb2.ErrorInfo()
                    detail.Unpack(info)
                    end["error"] = json_format.MessageToDict(info)
                elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
                    bad = error_details_pb2.BadRequest()
                    detail.Unpack(bad)
                    end["violations"] = [one.field for one in bad.field_violations]
    return end


def main(address, scenario):
    request = json_format.ParseDict(scenario["request"], generation_pb2.GenerateRequest())
    cancel_after = scenario.get("cancel_after")
    timeout = scenario["deadline_ms"] / 1000 if "deadline_ms" in scenario else 60
    with grpc.insecure_channel(address) as channel:
        call = generation_pb2_grpc.GenerationServiceStub(channel).Generate(request, timeout=timeout)
        try:
            for number, chunk in enumerate(call, start=1):
                if number == 1:
                    show("headers", ascii_only(call.initial_metadata()))
                show("chunk", json_format.MessageToDict(chunk))
                if number == cancel_after:
                    call.cancel()
        except grpc.RpcError:
            pass  # The status is read below, as on success.
        show("end", describe_end(call))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
