#!/usr/bin/env python3
"""Opens the status page of a running server in a real browser and checks that its script runs there.

    .ci/browser.py [URL of the status page]

The page must ask for itself again, as often as it should, and the browser must have refused nothing of it: neither its
style sheet nor its script, by the page's own Content-Security-Policy. Needs Chromium ($CHROMIUM, else `chromium`).
"""
import http.server
import os
import re
import subprocess
import sys
import tempfile
import threading
import urllib.request

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080/status"
pages = 0


class Between(http.server.BaseHTTPRequestHandler):
    """Passes the page on and counts how often it is asked for."""

    def do_GET(self):
        global pages
        if self.path != "/status":
            self.send_error(404)
            return
        pages += 1
        with urllib.request.urlopen(url, timeout=10) as response:
            self.send_response(response.status)
            for name in ("Content-Type", "Content-Security-Policy", "Content-Length"):
                self.send_header(name, response.headers[name])
            self.end_headers()
            self.wfile.write(response.read())

    def log_message(self, *_):
        pass


between = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Between)
threading.Thread(target=between.serve_forever, daemon=True).start()
with tempfile.TemporaryDirectory() as profile:
    # Ten seconds of the page's own time, which stands still while it waits for an answer.
    run = subprocess.run(
        [os.environ.get("CHROMIUM", "chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", f"--user-data-dir={profile}",
         "--enable-logging=stderr", "--virtual-time-budget=10000", "--dump-dom", f"http://127.0.0.1:{between.server_port}/status"],
        capture_output=True, text=True, timeout=120, check=True)

complaints = [line for line in run.stderr.splitlines() if "CONSOLE" in line]
assert not complaints, "the browser complained:\n" + "\n".join(complaints)
assert "Refreshed every 2 s." in run.stdout, "the script did not run"
assert re.search(r'id="stale"[^>]* hidden=""', run.stdout), "the page says that there is no data"
assert pages >= 4, f"the page was asked for {pages} times in ten seconds"
print(f"The page runs in a browser and was asked for {pages} times in ten seconds.")
