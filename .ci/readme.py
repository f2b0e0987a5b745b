#!/usr/bin/env python3
"""Runs the shell blocks of a Markdown file as they stand there, against a server that runs already.

A block is fenced with ```sh. One that begins with a line `# runs until stopped` or `# run elsewhere` is left out: the
first is the server itself, the second is checked by a step of its own. Each other block must exit with 0.
"""

import re
import subprocess
import sys
import pathlib

LEFT_OUT = ("# runs until stopped", "# run elsewhere")


def main(path):
    text = pathlib.Path(path).read_text(encoding="utf-8")
    failures = 0
    blocks = [block for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
              if not block.startswith(LEFT_OUT)]
    if not blocks:
        print("no command blocks found")
        return 1
    for block in blocks:
        print("$ " + block.strip().replace("\n", "\n  "), flush=True)
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", block], capture_output=True, text=True,
                              timeout=300, check=False, stdin=subprocess.DEVNULL)
        output = (done.stdout + done.stderr).strip().splitlines()
        print("\n".join("    " + line[:160] for line in output[:6] + (["…"] if len(output) > 6 else [])))
        if done.returncode != 0:
            print(f"    exit code {done.returncode}")
            print("\n".join("    " + line for line in output[-20:]))
            failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
