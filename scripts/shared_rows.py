#!/usr/bin/env python3
"""Counts what the members of a run's groups begin with alike: rows of training and decoding with and without it.

    python3 scripts/shared_rows.py RUN

Reads RUN/episodes/step-*.jsonl. "separate": every trajectory for itself. "prompt": the prompt of a group once.
"tree": every beginning once. Training leaves out groups whose members all have the same return.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path


def keys(episode):
    """The tokens of a trajectory, placeholders with the picture that they stand for; and how many were given."""
    trajectory = episode["trajectory"]
    pictures = iter([name for turn in episode["turns"] for name in turn["images"]])
    tokens, given, before, picture = [], None, None, None
    for token, kind in zip(trajectory["ids"], trajectory["kinds"]):
        if kind == "image" and before != "image":
            picture = next(pictures, None)
        if given is None and kind not in ("prompt", "image"):
            given = len(tokens)
        tokens.append((token, picture if kind == "image" else None))
        before = kind
    return tuple(tokens), len(tokens) if given is None else given


def common(sequences):
    """How many tokens all of them begin with."""
    same = 0
    for column in zip(*sequences):
        if len(set(column)) > 1:
            break
        same += 1
    return same


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    rows = {"decoding": defaultdict(int), "training": defaultdict(int)}
    for file in sorted(Path(sys.argv[1], "episodes").glob("step-*.jsonl")):
        groups = defaultdict(list)
        for line in file.read_text(encoding="utf-8").splitlines():
            episode = json.loads(line)
            played = (keys(episode), sum(turn["reward"] for turn in episode["turns"]))
            groups[episode["env"], episode["seed"]].append(played)
        for members in groups.values():
            sequences = [tokens for (tokens, _), _ in members]
            prompt = min(common(sequences), min(given for (_, given), _ in members))
            separate = sum(map(len, sequences))
            counts = {
                "separate": separate,
                "prompt": separate - (len(sequences) - 1) * prompt,
                "tree": len({s[:n] for s in sequences for n in range(1, len(s) + 1)}),
            }
            learnt = len({reward for _, reward in members}) > 1
            for part in ["decoding"] + ["training"] * learnt:
                for name, count in counts.items():
                    rows[part][name] += count
    for part, counts in rows.items():
        if not counts:
            print(f"{part}: no rows")
            continue
        saved = 1 - counts["tree"] / counts["prompt"]
        print(f"{part}: {dict(counts)}, {100 * saved:.0f} % of the rows beyond the prompt's sharing saved")


main()
