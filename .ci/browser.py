#!/usr/bin/env python3
"""Opens the status page of a running server in a real browser and checks that its script runs there.

    .ci/browser.py [URL of the status page]

The page must have refreshed itself at least once, and the browser must have refused nothing of it: neither its style
sheet nor its script, by the page's own Content-Security-Policy. Needs Chromium ($CHROMIUM, else `chromium`).
"""
import os
import re
import subprocess
import sys
import tempfile
import urllib.request

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080/status"


def moment(page):
    """When the figures of a page were read."""
    return re.search(r"as of ([^.<]+ UTC)", page).group(1)


with urllib.request.urlopen(url, timeout=10) as response:
    first = moment(response.read().decode())

with tempfile.TemporaryDirectory() as profile:
    run = subprocess.run(
        [os.environ.get("CHROMIUM", "chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", f"--user-data-dir={profile}",
         "--enable-logging=stderr", "--timeout=8000", "--dump-dom", url],
        capture_output=True, text=True, timeout=120, check=True)

dom, console = run.stdout, [line for line in run.stderr.splitlines() if "CONSOLE" in line]
assert not console, "the browser complained:\n" + "\n".join(console)
assert "Refreshed every 2 s." in dom, "the script did not run"
assert re.search(r'id="stale"[^>]* hidden=""', dom), "the page says that there is no data"
assert moment(dom) > first, f"the figures are still of {first}"
print(f"The page runs in a browser: figures of {first}, then of {moment(dom)}.")
