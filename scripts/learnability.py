#!/usr/bin/env python3
"""Prints one row for each environment of a run: what the model scored before and after, against random play.

    python3 scripts/learnability.py runs/gym-seed1

A row says "learnt" when the score is more than two standard errors above the random player's.
"""

import json
import sys
from pathlib import Path


def row(name, e):
    span = e["oracle"] - e["random"]

    def normalised(score, error):
        return f"{(score - e['random']) / span:+.2f} ± {error / abs(span):.2f}" if abs(span) > 1e-9 else "n/a"

    above = e["after"] - e["random"] > 2 * e["after_se"] and abs(span) > 1e-9
    seen = "–" if e["perception_after"] is None else f"{e['perception_after']:.2f}"
    form = "–" if e["format_after"] is None else f"{e['format_after']:.2f}"
    before = normalised(e["before"], e["before_se"])
    after = normalised(e["after"], e["after_se"])
    return above, f"| `{name}` | {before} | {after} | {seen} | {form} | {'learnt' if above else 'no'} |"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    summary = json.loads((Path(sys.argv[1]) / "summary.json").read_text(encoding="utf-8"))
    rows = [row(name, e) for name, e in summary["environments"].items()]
    print("| environment | before | after | cells read | well-formed | above random |")
    print("|---|---|---|---|---|---|")
    for _, text in rows:
        print(text)
    print(f"\n{sum(above for above, _ in rows)} of {len(rows)} above random play by more than two standard errors")


if __name__ == "__main__":
    main()
