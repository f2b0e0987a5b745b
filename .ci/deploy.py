#!/usr/bin/env python3
"""Looks at the rules and the dashboard in deploy/.

rules FOLDER           checks the dashboard's structure; prints every expression as a file of rules, for promtool to parse
series FOLDER METRICS  checks that every selector of every expression matches a series among the scraped METRICS, and
                       that every label it groups by is there
"""

import json
import pathlib
import re
import sys

# What Grafana puts in place of its variables: an interval, or the expression for "all".
VARIABLES = {"$__rate_interval": "5m", "$__range": "1h", "$model": ".*", "$backend": ".*"}
SYNTAX = {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "offset", "bool"}
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
SELECTOR = re.compile(r"(?<![\w:.])([a-zA-Z_:][\w:]*)(?:\{([^}]*)\})?(?![\w:]|\s*\()")
MATCHER = re.compile(r'([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+")
RULE = re.compile(r"^ +(?:- )?(record|expr): *(\|\n((?: +.*\n)+?)(?= +\w+:|\n|\Z| +- | +#)|.*)", re.MULTILINE)


def dashboard(folder):
    return json.loads((folder / "grafana/grpcllm.json").read_text(encoding="utf-8"))


def expressions(folder):
    """Of the rules and the dashboard; the names of recorded series beside them."""
    found, recorded = [], set()
    for kind, line, block in RULE.findall((folder / "prometheus/grpcllm.rules.yml").read_text(encoding="utf-8")):
        if kind == "record":
            recorded.add(line.strip())
        else:
            found.append(" ".join((block or line).split()))
    for panel in dashboard(folder)["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            found.append(expression)
    return found, recorded


def check_structure(board):
    """Errors of a dashboard that Grafana would load without a word, and show wrongly."""
    panels = board["panels"]
    if board.get("schemaVersion", 0) < 36:
        yield "schemaVersion is older than data sources by uid"
    if len({panel["id"] for panel in panels}) < len(panels):
        yield "two panels have the same id"
    names = {variable["name"] for variable in board["templating"]["list"]}
    for used in set(re.findall(r"\$\{?(\w+)", json.dumps(panels))) - names:
        if not used.startswith("__"):
            yield f"variable {used} is not defined"
    taken = {}
    for panel in panels:
        place = panel["gridPos"]
        if place["x"] < 0 or place["w"] < 1 or place["h"] < 1 or place["x"] + place["w"] > 24:
            yield f"panel {panel['title']} does not fit into 24 columns"
        for cell in ((x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])):
            if taken.setdefault(cell, panel["title"]) != panel["title"]:
                yield f"panels {taken[cell]} and {panel['title']} overlap"
                break
        if panel["type"] != "row" and not all(target["expr"] for target in panel["targets"]):
            yield f"panel {panel['title']} asks for nothing"


def matches(series, operator, value):
    hit = re.fullmatch(value, series) is not None if "~" in operator else series == value
    return hit != operator.startswith("!")


def check_series(found, recorded, metrics):
    """Selectors without a series, and labels that nothing has."""
    scraped = {"up": [{"job": "grpcllm", "instance": ""}]}
    for name, labels in (match.groups() for match in map(SAMPLE.match, metrics.splitlines()) if match):
        scraped.setdefault(name, []).append({label: text for label, _, text in MATCHER.findall(labels or "")})
    known = {label for series in scraped.values() for one in series for label in one} | {"instance", "job"}
    for expression in found:
        for label in re.findall(r"\w+", " ".join(GROUPING.findall(expression))):
            if label not in known:
                yield f"no label {label}: {expression}"
        plain = re.sub(r"\[[^\[\]]*\](?![^{]*\})", "", GROUPING.sub("", expression))
        for name, text in SELECTOR.findall(plain):
            matchers = MATCHER.findall(text)
            if name in SYNTAX or name in recorded:
                continue
            if not any(all(matches(one.get(label, ""), operator, value) for label, operator, value in matchers)
                       for one in scraped.get(name, [])):
                yield f"no series {name}{{{text}}}: {expression}"


def main(command, folder, metrics=None):
    found, recorded = expressions(pathlib.Path(folder))
    if command == "rules":
        errors = list(check_structure(dashboard(pathlib.Path(folder))))
        rules = [{"record": f"expression:{number}", "expr": expression} for number, expression in enumerate(found)]
        print(json.dumps({"groups": [{"name": "expressions", "rules": rules}]}))
    else:
        errors = list(check_series(found, recorded, pathlib.Path(metrics).read_text(encoding="utf-8")))
        print(f"{len(found)} expressions, {len(errors)} errors")
    for error in errors:
        print(error, file=sys.stderr)
    return 1 if errors or not found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
