"""Builds and runs the clients, each in a process of its own."""

import json
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time

from .judges import Printed, check
from .server import KEY, PATIENCE_SECONDS

BUILD_PATIENCE_SECONDS = 300
HERE = pathlib.Path(__file__).resolve().parent.parent
SERVICE_CONFIG = (HERE / "service-config.json").read_text()


class Client:
    """The client of one language."""

    def __init__(self, language, output):
        self.language = language
        self.folder = output / language

    def build(self):
        """Generates stubs and builds. The seconds that it took; raises with the tools' own words if it fails."""
        started = time.monotonic()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        done = subprocess.run(
            [HERE / self.language / "build", self.folder], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", check=False,
            timeout=BUILD_PATIENCE_SECONDS)
        check(done.returncode == 0, f"build failed:\n{done.stdout[-2000:]}")
        return time.monotonic() - started

    def run(self, address, scenario, request_id, on_chunk=None):
        """Runs a scenario. `on_chunk` is told each chunk when it comes, while the call goes on."""
        scenario = complete(scenario, request_id)
        with tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(
                [HERE / self.language / "client", self.folder, address, json.dumps(scenario)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8")
            timer = threading.Timer(PATIENCE_SECONDS, process.kill)
            timer.start()
            try:
                lines = []
                for line in process.stdout:
                    lines.append(line)
                    if on_chunk and line.startswith('{"chunk"'):
                        on_chunk(json.loads(line)["chunk"])
                status = process.wait()
            finally:
                timer.cancel()
                process.kill()
            errors.seek(0)
            check(status == 0, f"client ended with {status}: {errors.read()[:600]}")
        return Printed(lines)


def complete(scenario, request_id):
    """The scenario as clients get it: with the key, a name, and the text of the service config."""
    request = {**scenario["request"], "requestId": request_id}
    if request.get("prompt") == "{id}":
        request["prompt"] = request_id
    metadata = scenario.get("metadata", {"authorization": f"Bearer {KEY}"})
    return {"service_config": SERVICE_CONFIG, **scenario, "request": request, "metadata": metadata}
