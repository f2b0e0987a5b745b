"""Proxies in front of the server, with the configurations of the folder `proxies`, and what is checked through them."""

import concurrent.futures
import pathlib
import shutil
import socket
import subprocess
import time

from . import upstream as scripts
from .judges import JUDGES, check, check_success, fat_text
from .server import PATIENCE_SECONDS

HERE = pathlib.Path(__file__).resolve().parent.parent

# Silence after which the proxies under test cut a stream. More than the 10 s between progress messages.
SILENCE_SECONDS = 13

NO_RETRIES = "{}"


class Proxy:
    """A running proxy. Its configuration is the one in the repository but for ports and the limit on silence."""

    def __init__(self, name, config, command, listen, server, output):
        folder = output / name
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "temp").mkdir(parents=True)
        port = free_port()
        text = (HERE / "proxies" / config).read_text()
        ops_port = server.ops_address.rpartition(":")[2]
        for old, new in [(f"127.0.0.1:{listen}", f"127.0.0.1:{port}"), ("127.0.0.1:50051", server.address),
                         ("port 8080", f"port {ops_port}"), ("10m", f"{SILENCE_SECONDS}s")]:
            text = text.replace(old, new)
        (folder / config).write_text(text)
        self.name = name
        self.address = f"127.0.0.1:{port}"
        self._log = folder / "log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [part.format(folder=folder, config=folder / config) for part in command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._await_listener(port)

    def _await_listener(self, port):
        until = time.monotonic() + PATIENCE_SECONDS
        while self._process.poll() is None and time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"{self.name} does not start:\n{self._log.read_text()}")

    def stop(self):
        self._process.terminate()
        self._process.wait(timeout=PATIENCE_SECONDS)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_nginx(server, output):
    command = ["/usr/sbin/nginx", "-p", "{folder}", "-c", "{config}"]
    return Proxy("nginx", "nginx.conf", command, 50052, server, output)


def start_haproxy(server, output):
    command = ["/usr/sbin/haproxy", "-f", "{config}"]
    return Proxy("haproxy", "haproxy.cfg", command, 50053, server, output)


class Checks:
    """What is checked with one client through one address."""

    def __init__(self, client, name, address, server, upstream, scenarios):
        self.name = name
        self._client = client
        self._address = address
        self._server = server
        self._upstream = upstream
        self._scenarios = scenarios

    def _run(self, scenario, what, on_chunk=None):
        request_id = f"{self.name}-{what}"
        return self._client.run(self._address, scenario, request_id, on_chunk), request_id

    def scenario(self, name, judge=None):
        """A scenario of the other table, judged alike unless another judge is given."""
        printed, request_id = self._run(self._scenarios[name], name.replace(" ", "-"))
        (judge or JUDGES[name])(printed, self._server.usage_of(request_id))

    def not_buffered(self):
        """The upstream goes on only when the client has its first message: whoever holds it back waits for ever."""
        request_id = f"{self.name}-first"
        printed, _ = self._run({"request": {"model": "gated", "prompt": "{id}"}}, "first",
                               lambda _: self._upstream.release(request_id))
        check(printed.answer["text"] == "".join(scripts.GATED_TEXT), "the whole text")
        check_success(printed, self._server.usage_of(request_id), 2, "stop")

    def cancel(self):
        """The client cancels; the server hears of it, and closes its own upstream."""
        self.scenario("cancel mid-stream")
        check(self._upstream.wait_gone(f"{self.name}-cancel-mid-stream"), "the upstream is closed")

    def long_silence(self):
        """With output.progress, a stream without a token outlives the limit on silence."""
        request_id = f"{self.name}-silence"

        def release_late(chunk):
            if int(chunk["elapsedUs"]) > SILENCE_SECONDS * 1_000_000:
                self._upstream.release(request_id)

        request = {"model": "silent", "prompt": "{id}", "output": {"progress": True}}
        printed, _ = self._run({"request": request}, "silence", release_late)
        check(printed.end["code"] == "OK", f"status OK, was {printed.end}")
        check(printed.answer["text"] == scripts.SILENT_TEXT, "the text after the silence")
        check("progress" in printed.chunks[0] and "finish" in printed.chunks[-1], "progress first, finish last")

    def silence_is_cut(self):
        """Without progress messages the proxy cuts it: so the limit is in force."""
        request = {"model": "silent", "prompt": "{id}"}
        printed, _ = self._run({"request": request, "service_config": NO_RETRIES}, "cut")
        check(printed.end["code"] != "OK" and not printed.chunks, "a silent stream is cut")


def columns(checks, is_proxy):
    """Checks by the name of their column, slow ones first."""
    def silence():
        with concurrent.futures.ThreadPoolExecutor() as pool:
            runs = [pool.submit(checks.long_silence)] + ([pool.submit(checks.silence_is_cut)] if is_proxy else [])
            for run in runs:
                run.result()

    return {
        "long silence": silence,
        "not buffered": checks.not_buffered,
        "trailers": lambda: checks.scenario("trailers"),
        "error details": lambda: checks.scenario("error details"),
        "cancel": checks.cancel,
        "thousand chunks": lambda: checks.scenario("thousand chunks"),
        # The server need not notice it: nginx takes what the system's buffers take, some megabytes.
        "slow reader": lambda: checks.scenario("slow reader", fat_text),
    }
