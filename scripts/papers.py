#!/usr/bin/env python3
"""Writes docs/papers.md from docs/papers.tsv: which system is covered by what, and how that is known.

    python3 scripts/papers.py            # write
    python3 scripts/papers.py --check    # fail when the page is not what would be written

Also fails when a row names a recipe or a test that does not exist, or a recipe of a paper has no row. The effect of
a recipe with the status `measured` is read from the comparison in benches/runs; where it was measured by itself,
the table says what came out, behind a colon.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE, PAGE, RECIPES = ROOT / "docs/papers.tsv", ROOT / "docs/papers.md", ROOT / "recipes/papers"
COMPARISON = ROOT / "benches/runs/2026-11-22-methods/compare.json"
COLUMNS = ["id", "name", "mechanism", "parts", "recipe", "tests", "status"]
KINDS = {
    "measured": "a recipe runs, and its effect is measured",
    "runs": "a recipe runs",
    "formula": "the parts are proven, no recipe",
    "missing": "a part is missing",
}


def rows():
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    if lines[0].split("\t") != COLUMNS:
        sys.exit(f"{TABLE}: the first line must name the columns {COLUMNS}")
    for n, line in enumerate(lines[1:], 2):
        cells = line.split("\t")
        if len(cells) != len(COLUMNS):
            sys.exit(f"{TABLE}:{n}: {len(cells)} columns, expected {len(COLUMNS)}")
        row = dict(zip(COLUMNS, cells))
        row["line"] = n
        row["kind"] = row["status"].split(":")[0].strip()
        if row["kind"] not in KINDS:
            sys.exit(f"{TABLE}:{n}: status {row['status']!r} is none of {sorted(KINDS)}")
        yield row


def effects():
    """By recipe, the held-out score and how it differs from the baseline's."""
    comparison = json.loads(COMPARISON.read_text(encoding="utf-8"))
    found = {}
    for method in comparison["methods"]:
        score, difference = method["score"], method["difference"]
        if difference:
            found[method["name"]] = (
                f"{score['mean']:.3f} ± {score['se']:.3f}, "
                f"{difference['mean']:+.3f} ± {difference['se']:.3f} against {comparison['baseline']}"
            )
    return found


def names_of_tests():
    found = set()
    for path in (ROOT / "crates").rglob("*.rs"):
        found.update(re.findall(r"fn ([a-z0-9_]+)\s*[(<]", path.read_text(encoding="utf-8")))
    return found


def problems(table, measured):
    tests = names_of_tests()
    recipes = {path.stem for path in RECIPES.glob("*.toml")}
    for row in table:
        where = f"{TABLE.name}:{row['line']} ({row['name']})"
        if row["recipe"] and row["recipe"] not in recipes:
            yield f"{where}: no recipe {row['recipe']!r}"
        if bool(row["recipe"]) != (row["kind"] in ("runs", "measured")):
            yield f"{where}: a recipe and the status `runs` or `measured` go together"
        compared = row["recipe"] in measured
        if compared and row["status"] != "measured":
            yield f"{where}: {COMPARISON.parent.name} holds its effect, so the status is `measured`"
        if row["status"] == "measured" and not compared:
            yield f"{where}: measured, but {COMPARISON.parent.name} does not have it: say what came out"
        for test in filter(None, (t.strip() for t in row["tests"].split(","))):
            if test.split("::")[-1] not in tests:
                yield f"{where}: no test {test!r}"
    for recipe in sorted(recipes - {row["recipe"] for row in table}):
        yield f"recipes/papers/{recipe}.toml has no row in {TABLE.name}"


def code(names):
    return ", ".join(f"`{name.strip()}`" for name in names.split(",") if name.strip())


def page(table, measured):
    counts = {kind: sum(row["kind"] == kind for row in table) for kind in KINDS}
    lines = [
        "# Papers",
        "",
        "What there is of the systems of the field, one row a system. Written by `scripts/papers.py` from "
        "`docs/papers.tsv`, which checks that recipes and tests exist.",
        "",
        "| status | meaning | systems |",
        "|---|---|---|",
        *(f"| {kind} | {KINDS[kind]} | {counts[kind]} |" for kind in KINDS),
        "",
        "A recipe that runs takes two steps in CI; whether its mechanism helps is another question, answered where the "
        "status is `measured`: held-out score after training and its difference to GRPO, mean and standard error "
        "over three seeds, on three small games. [BENCHMARKS.md](../BENCHMARKS.md) says how, and how to read it.",
        "",
        "| system | mechanism | parts | recipe | tests | status |",
        "|---|---|---|---|---|---|",
    ]
    for row in table:
        recipe = f"[{row['recipe']}](../recipes/papers/{row['recipe']}.toml)" if row["recipe"] else ""
        mechanism = row["mechanism"].replace("|", "\\|")
        status = row["status"]
        if status == "measured":
            status += f": {measured[row['recipe']]}"
        cells = [row["name"], mechanism, code(row["parts"]), recipe, code(row["tests"]), status]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    table = list(rows())
    measured = effects()
    wrong = list(problems(table, measured))
    if wrong:
        sys.exit("\n".join(wrong))
    text = page(table, measured)
    if "--check" in sys.argv[1:]:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
            sys.exit("docs/papers.md is not what docs/papers.tsv says: run python3 scripts/papers.py")
    else:
        PAGE.write_text(text, encoding="utf-8")
    print(f"{len(table)} systems, {sum(bool(row['recipe']) for row in table)} with a recipe")


main()
