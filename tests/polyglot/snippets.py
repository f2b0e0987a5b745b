#!/usr/bin/env python3
"""Checks that the snippets of Markdown files are what they say: lines of a file that CI runs.

A snippet is a fenced block below a line `<!-- from PATH -->`, PATH from the root of the repository. Its lines must stand
there in a row, with the same indentation but for what all of them share.

Usage: snippets.py FILE…
"""

import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SNIPPET = re.compile(r"^<!-- from (\S+) -->\n+```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def stands_in(snippet, text):
    """Whether the lines stand in the text, in a row, indented or not."""
    lines, wanted = text.splitlines(), snippet.splitlines()
    return any(
        textwrap.dedent("\n".join(lines[at:at + len(wanted)])).splitlines() == wanted
        for at in range(len(lines) - len(wanted) + 1))


def main(files):
    snippets = [(file, *found) for file in files for found in SNIPPET.findall(pathlib.Path(file).read_text("utf-8"))]
    strays = [(file, path, snippet) for file, path, snippet in snippets
              if not stands_in(textwrap.dedent(snippet), (ROOT / path).read_text("utf-8"))]
    for file, path, snippet in strays:
        print(f"{file}: not in {path}:\n{textwrap.indent(snippet, '    ')}")
    print(f"{len(snippets)} snippets, {len(strays)} not in their files")
    return 1 if strays or not snippets else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
