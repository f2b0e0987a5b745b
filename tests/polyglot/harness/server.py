"""The service under test: started on ports that the system chooses, with one tenant, its usage records collected."""

import hashlib
import json
import queue
import re
import signal
import subprocess
import threading

PATIENCE_SECONDS = 60
KEY = "polyglot-key"
TENANT = "polyglot"
BUILT = "artifacts/bin/GrpcLlm.Server/debug/GrpcLlm.Server.dll"


def settings(upstream, models):
    """Command-line settings. The models are scripts of the upstream, and simulators."""
    key_hash = hashlib.sha256(KEY.encode()).hexdigest()
    return [
        "--Kestrel:Endpoints:Grpc:Url=http://127.0.0.1:0",
        "--Kestrel:Endpoints:Ops:Url=http://127.0.0.1:0",
        f"--GrpcLlm:Tenants:{TENANT}:ApiKeyHashes:0=sha256:{key_hash}",
        "--GrpcLlm:Backends:fast:Kind=simulator",
        "--GrpcLlm:Models:fast:Name=simulator-fast",
        "--GrpcLlm:Models:fast:Routes:0:Backend=fast",
        "--GrpcLlm:Backends:steady:Kind=simulator",
        "--GrpcLlm:Backends:steady:InterTokenLatency=00:00:00.001",
        "--GrpcLlm:Models:steady:Name=simulator-steady",
        "--GrpcLlm:Models:steady:Routes:0:Backend=steady",
        "--GrpcLlm:Backends:scripted:Kind=openai",
        f"--GrpcLlm:Backends:scripted:BaseUrl={upstream}",
        # The client's own retries are under test, not the server's; and no script may open the breaker for another.
        "--GrpcLlm:Resilience:MaxAttempts=1",
        "--GrpcLlm:Resilience:BreakerMinimumThroughput=1000000",
        # Half a second rather than 50 ms: on a busy machine a client's clock may be that far ahead of the server's.
        "--GrpcLlm:Streaming:DeadlineMargin=00:00:00.5",
        *(f"--GrpcLlm:Models:{model}:Routes:0:Backend=scripted" for model in models),
    ]


class Server:
    """A running server. `usage_of` waits for the records of a request id: one per call that reached the server."""

    def __init__(self, dll, arguments):
        self.process = subprocess.Popen(
            ["dotnet", str(dll), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8",
        )
        self._addresses = queue.Queue()
        self._usage = {}
        self._usage_came = threading.Condition()
        self._log = []
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.address, self.ops_address = (self._addresses.get(timeout=PATIENCE_SECONDS) for _ in range(2))
        except queue.Empty:
            self.process.kill()
            raise RuntimeError("the server does not start:\n" + "".join(self._log)) from None

    def _read(self):
        for line in self.process.stdout:
            self._log.append(line)
            if listening := re.search(r"Now listening on: http://([\d.:]+)", line):
                self._addresses.put(listening.group(1))
            elif line.strip().startswith('{"accepted_at"'):
                record = json.loads(line)
                with self._usage_came:
                    self._usage.setdefault(record["request_id"], []).append(record)
                    self._usage_came.notify_all()

    def usage_of(self, request_id, count=1):
        """The usage records of a request id, oldest first, as soon as there are so many."""
        with self._usage_came:
            came = self._usage_came.wait_for(
                lambda: len(self._usage.get(request_id, ())) >= count, timeout=PATIENCE_SECONDS)
            if not came:
                raise AssertionError(f"{count} usage records, were {len(self._usage.get(request_id, ()))}")
            return list(self._usage[request_id])

    def stop(self):
        """Ends it as an orchestrator would. True if it ended by itself and in order."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=PATIENCE_SECONDS) == 0
        except subprocess.TimeoutExpired:
            self.process.kill()
            return False
