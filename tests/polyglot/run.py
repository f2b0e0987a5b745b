#!/usr/bin/env python3
"""Starts the server, runs every scenario with every client, judges what they received, and prints a table.

Usage: run.py [--server PATH_OF_THE_SERVER_DLL]
Exit code 0 if every client passed every scenario. A language whose tools are missing fails.
"""

import argparse
import json
import pathlib
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LANGUAGES = ["python"]
SERVER = ROOT / "artifacts/bin/GrpcLlm.Server/debug/GrpcLlm.Server.dll"
PATIENCE_SECONDS = 60


class Server:
    """A server of our own on a port that the system chooses; collects its usage records by request id."""

    def __init__(self, dll):
        settings = [
            "--Kestrel:Endpoints:Grpc:Url=http://127.0.0.1:0",
            "--Kestrel:Endpoints:Ops:Url=http://127.0.0.1:0",
            "--GrpcLlm:Backends:fast:Kind=simulator",
            "--GrpcLlm:Models:fast:Name=simulator-fast",
            "--GrpcLlm:Models:fast:Routes:0:Backend=fast",
        ]
        self.process = subprocess.Popen(
            ["dotnet", str(dll), *settings], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.addresses = queue.Queue()
        self.usage = {}
        self.usage_came = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        self.address = self.addresses.get(timeout=PATIENCE_SECONDS)

    def _read(self):
        for line in self.process.stdout:
            if listening := re.search(r"Now listening on: http://([\d.:]+)", line):
                self.addresses.put(listening.group(1))
            elif line.strip().startswith('{"accepted_at"'):
                record = json.loads(line)
                with self.usage_came:
                    self.usage[record["request_id"]] = record
                    self.usage_came.notify_all()

    def usage_of(self, request_id):
        with self.usage_came:
            self.usage_came.wait_for(lambda: request_id in self.usage, timeout=PATIENCE_SECONDS)
            return self.usage[request_id]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=PATIENCE_SECONDS)


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def check_stream(chunks, tokens):
    """The rules that hold for every successful stream."""
    check([int(c["sequence"]) for c in chunks] == list(range(1, len(chunks) + 1)), "sequences are dense from 1")
    check("started" in chunks[0] and sum("started" in c for c in chunks) == 1, "started is on the first chunk only")
    check(chunks[0].get("tokenCount", 0) > 0 and "text" in chunks[0], "the first message carries the first token")
    check("finish" in chunks[-1] and sum("finish" in c for c in chunks) == 1, "finish is last and once")
    check(sum(c.get("tokenCount", 0) for c in chunks) == tokens, f"{tokens} tokens are counted")
    check(all(len(c.get("tokenGapsUs", [])) == c.get("tokenCount", 0) for c in chunks), "one gap per token")


def check_success(lines, usage, tokens, reason="length"):
    chunks, end = lines["chunk"], lines["end"][0]
    check(end["code"] == "OK", f"status OK, was {end['code']}")
    check_stream(chunks, tokens)
    check(end["trailers"]["finish-reason"] == reason, "finish-reason trailer")
    check(end["trailers"]["request-id"] == lines["headers"][0]["request-id"], "request-id header and trailer agree")
    check(end["summary"]["usage"] == chunks[-1]["finish"]["usage"], "summary repeats the finish")
    check(usage["finish_reason"] == reason and usage["output_tokens"] == tokens, "usage record agrees")


def judge_violations(lines, usage):
    end = lines["end"][0]
    check(end["code"] == "INVALID_ARGUMENT", "status INVALID_ARGUMENT")
    check(end["error"]["reason"] == "INVALID_REQUEST" and end["error"]["domain"] == "grpcllm", "ErrorInfo")
    fields = ["input", "limits.max_output_tokens", "sampling.temperature", "sampling.top_p"]
    check(sorted(end["violations"]) == fields, f"all violations, were {end['violations']}")
    check(end["trailers"]["grpc-retry-pushback-ms"] == "-1", "no retry")
    check(usage["error_reason"] == "INVALID_REQUEST", "usage record agrees")


def judge_unknown_model(lines, usage):
    end = lines["end"][0]
    check(end["code"] == "NOT_FOUND" and end["error"]["reason"] == "MODEL_NOT_FOUND", "typed NOT_FOUND")
    check(usage["model"] == "_other", "usage record names no unknown model")


def judge_cancel(lines, usage):
    check(lines["end"][0]["code"] == "CANCELLED", "status CANCELLED")
    check(len(lines["chunk"]) == 3, "nothing after the cancel")
    check(usage["error_reason"] == "CLIENT_CANCELLED", "the server saw the cancel")
    check(usage["output_tokens"] < 1000, "the model was stopped")


def judge_deadline(lines, usage):
    check(lines["chunk"][-1]["finish"]["reason"] == "FINISH_REASON_TIME_BUDGET", "finish TIME_BUDGET")
    check(lines["end"][0]["code"] == "OK", "trailers arrive before the deadline")
    check(lines["end"][0]["trailers"]["finish-reason"] == "time_budget", "finish-reason trailer")


JUDGES = {
    "stream": lambda lines, usage: check_success(lines, usage, 20),
    "embedded model": lambda lines, usage: check_success(lines, usage, 24),
    "violations": judge_violations,
    "unknown model": judge_unknown_model,
    "cancel mid-stream": judge_cancel,
    "deadline": judge_deadline,
    "thousand chunks": lambda lines, usage: check_success(lines, usage, 1000),
}


def run_one(server, language, stubs, name, scenario):
    request_id = f"{language}-{name.replace(' ', '-')}"
    scenario = {**scenario, "request": {**scenario["request"], "requestId": request_id}}
    done = subprocess.run(
        [HERE / language / "client", stubs, server.address, json.dumps(scenario)],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )
    check(done.returncode == 0, f"client failed: {done.stderr[-400:]}")
    lines = {"headers": [], "chunk": [], "end": []}
    for line in done.stdout.splitlines():
        for kind, value in json.loads(line).items():
            lines[kind].append(value)
    check(len(lines["end"]) == 1, "one end")
    JUDGES[name](lines, server.usage_of(request_id))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", default=SERVER, help="path of GrpcLlm.Server.dll")
    scenarios = json.loads((HERE / "scenarios.json").read_text())
    server = Server(parser.parse_args().server)
    failures = 0
    try:
        print(f"{'':20}" + "".join(f"{language:>10}" for language in LANGUAGES))
        stubs = {}
        for language in LANGUAGES:
            stubs[language] = tempfile.mkdtemp(prefix=f"grpcllm-{language}-")
            subprocess.run([HERE / language / "build", stubs[language]], check=True)
        for name, scenario in scenarios.items():
            row, notes = f"{name:20}", []
            for language in LANGUAGES:
                try:
                    run_one(server, language, stubs[language], name, scenario)
                    row += f"{'ok':>10}"
                except (AssertionError, KeyError, IndexError, subprocess.TimeoutExpired) as failure:
                    row += f"{'FAILED':>10}"
                    notes.append(f"    {language}: {type(failure).__name__}: {failure}")
                    failures += 1
            print("\n".join([row, *notes]), flush=True)
    finally:
        server.stop()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
