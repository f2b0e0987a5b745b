#!/usr/bin/env python3
"""Builds a client in every language, runs every scenario with it against a live server, judges, and prints a table.

The exit code is 0 if everything passed. A language whose tools are missing fails.
"""

import argparse
import concurrent.futures
import json
import pathlib
import subprocess
import sys
import time

from harness import proxies
from harness import upstream as scripts
from harness.clients import Client
from harness.judges import JUDGES, RECORDS, check
from harness.server import BUILT, KEY, Server, settings

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LANGUAGES = ["python", "node-grpc-js", "node-connect", "go", "java", "cpp", "ruby"]
NAME_WIDTH = 20
CELL_WIDTH = 16
WORKERS = 2


class NewerServer:
    """The tiny service of a later version, a process of its own."""

    def __init__(self, output):
        output.mkdir(parents=True, exist_ok=True)
        subprocess.run(["protoc", "-I", HERE / "harness", f"--python_out={output}", "newer.proto"], check=True)
        self.process = subprocess.Popen(
            ["/usr/bin/python3", HERE / "harness/newer.py"],
            stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(output)})
        self.address = self.process.stdout.readline().strip()

    def stop(self):
        self.process.terminate()
        self.process.wait()


def run_one(client, name, scenario, servers):
    """One cell of the table. Raises if the client did not pass."""
    server = servers[scenario.get("server", "current")]
    check(server.process.poll() is None, "the server runs")
    request_id = f"{client.language}-{name.replace(',', '').replace(' ', '-')}"
    printed = client.run(server.address, scenario, request_id)
    records = RECORDS.get(name, 1)
    JUDGES[name](printed, server.usage_of(request_id, records) if records else [])


def cell(action):
    """A cell's text, and what went wrong."""
    try:
        return action() or "ok", None
    except (AssertionError, LookupError, ValueError, TypeError, OSError, subprocess.SubprocessError) as failure:
        return "FAILED", f"{type(failure).__name__}: {failure}"


def print_row(name, cells):
    """Prints a row from (column, text, failure), what went wrong below it; returns the number of failures."""
    notes = [f"    {column}: {failure}" for column, _, failure in cells if failure]
    print("\n".join([f"{name:{NAME_WIDTH}}" + "".join(f"{text:>{CELL_WIDTH}}" for _, text, _ in cells), *notes]), flush=True)
    return len(notes)


def print_header(names):
    print(" " * NAME_WIDTH + "".join(f"{name:>{CELL_WIDTH}}" for name in names), flush=True)


def scenarios_table(clients, scenarios, servers, build):
    """Languages × scenarios; languages run side by side. Returns the number of failures."""
    def row(name, action, workers=WORKERS):
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            cells = pool.map(lambda client: (client.language, *cell(lambda: action(client))), clients)
            return print_row(name, list(cells))

    print_header(client.language for client in clients)
    failures = row("build", lambda client: f"{client.build():.0f} s", workers=1) if build else 0
    for name, scenario in scenarios.items():
        failures += row(name, lambda client: run_one(client, name, scenario, servers))
    return failures


def proxies_table(client, scenarios, server, upstream, output):
    """Proxies × checks, all with one client; proxies run side by side. Returns the number of failures."""
    started = []
    try:
        started += [proxies.start_nginx(server, output), proxies.start_haproxy(server, output)]
        rows = {"direct": server.address, **{proxy.name: proxy.address for proxy in started}}

        def run_row(item):
            name, address = item
            checks = proxies.Checks(client, name, address, server, upstream, scenarios)
            return [(column, *cell(action)) for column, action in proxies.columns(checks, name != "direct").items()]

        with concurrent.futures.ThreadPoolExecutor() as pool:
            all_cells = list(pool.map(run_row, rows.items()))
        print()
        print_header(column for column, _, _ in all_cells[0])
        failures = sum(print_row(name, cells) for name, cells in zip(rows, all_cells))
        print_first_token(client, rows)
        return failures
    finally:
        for proxy in started:
            proxy.stop()


def print_first_token(client, rows):
    """The first token's delay. For information, not judged."""
    done = subprocess.run(
        ["/usr/bin/python3", HERE / "harness/first_token.py", KEY, *rows.values()],
        stdout=subprocess.PIPE, text=True, check=True, env={"PYTHONPATH": str(client.folder)})
    medians = [float(value) for value in done.stdout.split()]
    print(f"{'first token, median':{NAME_WIDTH}}" + ", ".join(
        f"{name} {median:.2f} ms ({median / medians[0]:.2f}×)" for name, median in zip(rows, medians)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", default=ROOT / BUILT, help="path of GrpcLlm.Server.dll, built before")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "artifacts/polyglot", help="where clients are built")
    parser.add_argument("--languages", nargs="+", default=LANGUAGES, choices=LANGUAGES)
    parser.add_argument("--scenarios", nargs="+", default=list(JUDGES), choices=list(JUDGES))
    parser.add_argument("--no-proxies", dest="proxies", action="store_false", help="leave out the second table")
    parser.add_argument("--no-build", dest="build", action="store_false", help="take the clients as they were built")
    arguments = parser.parse_args()

    started = time.monotonic()
    output = arguments.output.resolve()
    every = json.loads((HERE / "scenarios.json").read_text())
    scenarios = {name: every[name] for name in arguments.scenarios}
    clients = [Client(language, output) for language in arguments.languages]
    upstream = scripts.Upstream()
    newer = NewerServer(output / "newer")
    try:
        server = Server(arguments.server, settings(upstream.base_url, scripts.SCRIPTS))
        try:
            failures = scenarios_table(clients, scenarios, {"current": server, "newer": newer}, arguments.build)
            if arguments.proxies:
                failures += proxies_table(clients[0], every, server, upstream, output)
        finally:
            stopped = server.stop()
    finally:
        newer.stop()
    if not stopped:
        print("the server did not stop in order")
        failures += 1
    print(f"{failures} failed, {time.monotonic() - started:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
