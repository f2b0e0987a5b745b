"""A model provider on loopback, in the style of OpenAI's chat completions. The model's name selects a script.

A script that waits goes on when `release` is called with the prompt of its call, and ends when the caller goes away.
"""

import http.server
import json
import os
import select
import threading

PATIENCE_SECONDS = 60

UNICODE = 'Grüße, Ελλάδα, שלום, 日本語, e\u0301, 𝒳, 👩‍👩‍👧‍👦 🏳️‍🌈 🇨🇭 "quoted" \\ \t\r\n nul \0 end'
FAT_TOKENS = 512
FAT_TEXT = "0123456789abcdef" * 512
SILENT_TEXT = "after a long silence"
GATED_TEXT = ["the first", " and the last"]
TOOL_TEXT = "Let me look."
TOOL_CALLS = [
    {"id": "call_weather", "name": "get_weather", "arguments": '{"city":"Zürich 🏔️","days":[1,2]}'},
    {"id": "call_add", "name": "add", "arguments": '{"a":1,"b":9007199254740993}'},
]
FLAKY_TEXT = "at last"


def chunk(delta, reason=None):
    """One event's data."""
    return {"id": "chatcmpl-polyglot", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def code_units(text):
    """UTF-16 code units, as many providers' tokens cut them: half an emoji is a lone surrogate."""
    data = text.encode("utf-16-be")
    return [int.from_bytes(data[at:at + 2], "big") for at in range(0, len(data), 2)]


class Call(http.server.BaseHTTPRequestHandler):
    """One request. Chunked transfer coding: each `send` is one chunk of the body."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        """No log: standard error belongs to the runner."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.prompt = body["messages"][-1]["content"]
        try:
            SCRIPTS[body["model"]](self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def begin(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def event(self, data):
        self.send(b"data: " + json.dumps(data).encode() + b"\n\n")

    def text(self, text):
        self.event(chunk({"content": text}))

    def end(self, reason="stop"):
        self.event(chunk({}, reason))
        self.send(b"data: [DONE]\n\n")
        self.send(b"")

    def wait(self):
        """Waits to be released. False if the caller goes away first; then that is recorded."""
        ready, _, _ = select.select([self.connection, self.server.gate_of(self.prompt)], [], [], PATIENCE_SECONDS)
        if self.connection in ready:
            self.server.record_gone(self.prompt)
            self.close_connection = True
        return self.connection not in ready

    # The scripts.

    def unicode(self):
        """First a code unit per token, escaped; then raw UTF-8 with every byte on its own."""
        self.begin()
        for unit in code_units(UNICODE):
            self.send(b'data: {"choices":[{"index":0,"delta":{"content":"\\u%04x"}}]}\n\n' % unit)
        raw = json.dumps(chunk({"content": UNICODE}), ensure_ascii=False).encode()
        for byte in b"data: " + raw + b"\n\n":
            self.send(bytes([byte]))
        self.end()

    def tools(self):
        """Two calls whose arguments come in pieces, in turn."""
        self.begin()
        self.text(TOOL_TEXT)
        for index, call in enumerate(TOOL_CALLS):
            self.tool(index, {"name": call["name"], "arguments": ""}, id=call["id"], type="function")
        pieces = [[call["arguments"][at:at + 7] for at in range(0, len(call["arguments"]), 7)] for call in TOOL_CALLS]
        for turn in range(max(map(len, pieces))):
            for index, own in enumerate(pieces):
                if turn < len(own):
                    self.tool(index, {"arguments": own[turn]})
        self.end("tool_calls")

    def tool(self, index, function, **rest):
        self.event(chunk({"tool_calls": [{"index": index, "function": function, **rest}]}))

    def fat(self):
        """More than a client that does not read can hold."""
        self.begin()
        for _ in range(FAT_TOKENS):
            self.text(FAT_TEXT)
        self.end("length")

    def silent(self):
        """Nothing until released."""
        self.begin()
        self.wfile.flush()
        if self.wait():
            self.text(SILENT_TEXT)
            self.end()

    def gated(self):
        """One token; the rest when released."""
        self.begin()
        self.text(GATED_TEXT[0])
        if self.wait():
            self.text(GATED_TEXT[1])
            self.end()

    def flaky(self):
        """Refuses a prompt the first time."""
        if self.server.is_first(self.prompt):
            self.send_response(503)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.begin()
        self.text(FLAKY_TEXT)
        self.end()


SCRIPTS = {script.__name__: script for script in (Call.unicode, Call.tools, Call.fat, Call.silent, Call.gated, Call.flaky)}


class Upstream(http.server.ThreadingHTTPServer):
    """The provider. Calls are told apart by their prompt."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Call)
        self.base_url = f"http://127.0.0.1:{self.server_address[1]}/v1"
        self._lock = threading.Lock()
        self._gates = {}
        self._seen = set()
        self._gone = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """A caller that went away between two requests is no error."""

    def gate_of(self, prompt):
        with self._lock:
            return self._gates.setdefault(prompt, os.eventfd(0))

    def release(self, prompt):
        """Lets the script of that prompt go on, now or when it comes to wait."""
        os.eventfd_write(self.gate_of(prompt), 1)

    def is_first(self, prompt):
        with self._lock:
            first = prompt not in self._seen
            self._seen.add(prompt)
            return first

    def record_gone(self, prompt):
        self._gone_of(prompt).set()

    def wait_gone(self, prompt):
        """Waits until the caller of that prompt has closed its connection. False if it does not."""
        return self._gone_of(prompt).wait(PATIENCE_SECONDS)

    def _gone_of(self, prompt):
        with self._lock:
            return self._gone.setdefault(prompt, threading.Event())
