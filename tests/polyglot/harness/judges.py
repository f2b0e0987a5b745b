"""Judges of the scenarios: each gets what a client printed and the server's usage records, and raises if they are wrong."""

import json

from . import upstream
from .server import TENANT


class Printed:
    """What a client printed, by kind of line."""

    def __init__(self, lines):
        kinds = {"headers": [], "chunk": [], "answer": [], "end": []}
        for line in lines:
            for kind, value in json.loads(line).items():
                kinds[kind].append(value)
        check(len(kinds["end"]) == 1, "one end")
        check(len(kinds["answer"]) == 1, "one answer")
        check(len(kinds["headers"]) == min(1, len(kinds["chunk"])), "headers once, with the first chunk")
        self.headers = kinds["headers"][0] if kinds["headers"] else {}
        self.chunks = kinds["chunk"]
        self.answer = kinds["answer"][0]
        self.end = kinds["end"][0]


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def check_counts(chunks, tokens):
    """The rules on numbers that hold for every successful stream."""
    check([int(c["sequence"]) for c in chunks] == list(range(1, len(chunks) + 1)), "sequences are dense from 1")
    check("finish" in chunks[-1] and sum("finish" in c for c in chunks) == 1, "finish is last and once")
    counted = sum(c.get("tokenCount", 0) for c in chunks)
    check(counted == tokens, f"{tokens} tokens are counted, were {counted}")
    check(all(len(c.get("tokenGapsUs", [])) == c.get("tokenCount", 0) for c in chunks), "one gap per token")


def check_success(printed, usage, tokens, reason="length"):
    """A stream of which everything was received, and which the server took for such."""
    chunks, end = printed.chunks, printed.end
    check(end["code"] == "OK", f"status OK, was {end['code']}: {end['message']}")
    check_counts(chunks, tokens)
    check("started" in chunks[0] and sum("started" in c for c in chunks) == 1, "started is on the first chunk only")
    check(chunks[0].get("tokenCount", 0) > 0 and "text" in chunks[0], "the first message carries the first token")
    check(printed.answer["text"] == "".join(c.get("text", "") for c in chunks), "the client put the text together")
    check(chunks[-1]["finish"]["reason"] == f"FINISH_REASON_{reason.upper()}", "finish in the stream")
    check(end["trailers"]["finish-reason"] == reason, "finish-reason trailer")
    last = usage[-1]
    check(last["finish_reason"] == reason and last["streamed_tokens"] == tokens, f"usage record agrees, was {last}")
    check(last["last_sequence"] == len(chunks), "the server sent as many messages")


def check_error(printed, usage, code, reason):
    """A failure with its typed reason, and the server's record of it."""
    end = printed.end
    check(end["code"] == code, f"status {code}, was {end['code']}: {end['message']}")
    check(not printed.chunks and not printed.answer["text"], "no token")
    error = end.get("error", {})
    check(error.get("reason") == reason and error.get("domain") == "grpcllm", f"ErrorInfo {reason}, was {error}")
    check(end["trailers"]["finish-reason"] == "error", "finish-reason trailer")
    check(usage[-1]["error_reason"] == reason, "usage record agrees")


def trailers(printed, usage):
    check_success(printed, usage, 3)
    sent, end = usage[-1], printed.end
    finish, summary = printed.chunks[-1]["finish"], end["summary"]
    check(end["trailers"]["request-id"] == sent["request_id"], "request-id trailer")
    check(printed.headers["request-id"] == sent["request_id"], "request-id header")
    check(not any(key.endswith("-bin") for key in end["trailers"]), "binary trailers are told apart")
    check(summary["finishReason"] == "FINISH_REASON_LENGTH" and summary["usage"] == finish["usage"], "summary repeats")
    check(summary["requestId"] == sent["request_id"] and summary["backend"] == "fast", "summary names the call")
    attempt = summary["attemptLog"][0]
    check(len(summary["attemptLog"]) == 1 and attempt["outcome"] == "ATTEMPT_OUTCOME_SERVED", "summary tells the attempt")


def error_details(printed, usage):
    check_error(printed, usage, "INVALID_ARGUMENT", "INVALID_REQUEST")
    fields = ["input", "limits.max_output_tokens", "sampling.temperature", "sampling.top_p"]
    check(sorted(printed.end["violations"]) == fields, f"all violations, were {printed.end['violations']}")
    check(printed.end["error"]["metadata"]["retry_safe"] == "false", "metadata of ErrorInfo")
    check(printed.end["trailers"]["grpc-retry-pushback-ms"] == "-1", "no retry")
    check(printed.end["summary"]["errorReason"] == "ERROR_REASON_INVALID_REQUEST", "summary tells the reason")


def unknown_model(printed, usage):
    check_error(printed, usage, "NOT_FOUND", "MODEL_NOT_FOUND")
    check(usage[-1]["model"] == "_other", "usage record names no unknown model")


def cancel(printed, usage):
    check(printed.end["code"] == "CANCELLED", f"status CANCELLED, was {printed.end['code']}")
    check(printed.answer["text"] == upstream.GATED_TEXT[0], "nothing after the cancel")
    check(usage[-1]["error_reason"] == "CLIENT_CANCELLED", f"the server saw the cancel, was {usage[-1]}")
    check(usage[-1]["streamed_tokens"] == 1, "the first token was delivered")


def deadline(printed, usage):
    finish = printed.chunks[-1].get("finish", {})
    check(finish.get("reason") == "FINISH_REASON_TIME_BUDGET", f"finish TIME_BUDGET, was {printed.end}")
    check_success(printed, usage, usage[-1]["streamed_tokens"], "time_budget")


def deadline_without_token(printed, usage):
    check(printed.end["code"] == "DEADLINE_EXCEEDED", f"status DEADLINE_EXCEEDED, was {printed.end['code']}")
    check(not printed.chunks, "no token")
    check(usage[-1]["error_reason"] in ("DEADLINE", "CLIENT_CANCELLED"), f"the server stopped too, was {usage[-1]}")


def right_key(printed, usage):
    check_success(printed, usage, 1)
    check(usage[-1]["tenant"] == TENANT, "the key's tenant")


def wrong_key(printed, usage):
    check_error(printed, usage, "UNAUTHENTICATED", "UNAUTHENTICATED")


def split_unicode(printed, usage):
    check(printed.answer["text"] == upstream.UNICODE * 2, f"the text, was {printed.answer['text']!r}")
    check(all(c["text"] for c in printed.chunks if "text" in c), "no chunk with half a character")
    check_success(printed, usage, len(upstream.code_units(upstream.UNICODE)) + 1, "stop")


def tool_calls(printed, usage):
    check(printed.answer["tool_calls"] == upstream.TOOL_CALLS, f"the calls, were {printed.answer['tool_calls']}")
    check(printed.answer["text"] == upstream.TOOL_TEXT, "the text before them")
    deltas = [c["toolCall"] for c in printed.chunks if "toolCall" in c]
    for index, call in enumerate(upstream.TOOL_CALLS):
        own = [d for d in deltas if d.get("index", 0) == index]
        check(own[0]["id"] == call["id"] and own[0]["name"] == call["name"], "id and name on the first delta")
        check(not any("id" in d or "name" in d for d in own[1:]), "id and name once")
        check([bool(d.get("done")) for d in own] == [False] * (len(own) - 1) + [True], "done on the last delta")
        check(len(own) > 3, "in pieces")
    check_success(printed, usage, sum(c.get("tokenCount", 0) for c in printed.chunks), "tool_calls")


def thousand_chunks(printed, usage):
    check_success(printed, usage, 1000)
    # A chunk per token, but for those that were merged while a client on a busy machine fell behind.
    check(len(printed.chunks) > 900, f"about as many chunks, were {len(printed.chunks)}")


def fat_text(printed, usage):
    check(printed.answer["text"] == upstream.FAT_TEXT * upstream.FAT_TOKENS, "the whole text")
    check_success(printed, usage, upstream.FAT_TOKENS)


def slow_reader(printed, usage):
    fat_text(printed, usage)
    # The client pauses for 2 s; half of that is left for filling what lies between.
    stall = usage[-1]["client_stall_us"]
    check(stall > 1_000_000, f"the server waited for the client, for {stall} µs")


def newer_schema(printed, _):
    check(printed.end["code"] == "OK", f"status OK, was {printed.end['code']}: {printed.end['message']}")
    check_counts(printed.chunks, 3)
    check(printed.answer["text"] == "known and known", "what is known is there")
    reason = printed.chunks[-1]["finish"].get("reason")
    check(reason in (99, "UNRECOGNIZED"), f"an unknown reason is not taken for a known one, was {reason}")


def service_config(printed, usage):
    check(usage[0].get("error_reason") == "UPSTREAM_UNAVAILABLE", "the first attempt failed before a token")
    check(printed.answer["text"] == upstream.FLAKY_TEXT, f"the second attempt's text, was {printed.end}")
    check_success(printed, usage, 1, "stop")
    check(len(usage) == 2, "two attempts")


JUDGES = {
    "stream": lambda printed, usage: check_success(printed, usage, 20),
    "embedded model": lambda printed, usage: check_success(printed, usage, 24),
    "trailers": trailers,
    "error details": error_details,
    "unknown model": unknown_model,
    "cancel mid-stream": cancel,
    "deadline": deadline,
    "deadline, no token": deadline_without_token,
    "right key": right_key,
    "wrong key": wrong_key,
    "split unicode": split_unicode,
    "tool calls": tool_calls,
    "thousand chunks": thousand_chunks,
    "slow reader": slow_reader,
    "newer schema": newer_schema,
    "service config": service_config,
}

# Records that a scenario makes; where it is not 1.
RECORDS = {"newer schema": 0, "service config": 2}
