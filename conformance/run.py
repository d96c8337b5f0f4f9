#!/usr/bin/env python3
"""Runs the conformance cases against a reward function of your own.

    python3 conformance/run.py mymodule:iou --reward iou
    python3 conformance/run.py mymodule:grade --reward math --cases conformance/math.jsonl

The function is called as `f(response, gold, **params_and_fields)` and gives a number, or None where there
is no score. For rewards of a group it is called as `f(responses, gold, **params_and_fields)` and gives a
list. Names of parameters and fields can be changed with --rename iou_threshold=tau. Needs Python only.
"""

import argparse
import glob
import importlib
import json
import math
import os
import sys


def load(name):
    module, _, function = name.partition(":")
    if not function:
        sys.exit(f"{name}: write MODULE:FUNCTION")
    sys.path.insert(0, os.getcwd())
    return getattr(importlib.import_module(module), function)


def cases(paths, reward):
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    case = json.loads(line)
                    if reward is None or case["reward"] == reward:
                        yield f"{os.path.basename(path)}:{number}", case


def right(score, expect, tolerance):
    none = score is None or (isinstance(score, float) and math.isnan(score))
    if isinstance(expect, dict) and "invalid" in expect:
        return none
    if none:
        return False
    if isinstance(expect, dict):
        return float(score) <= expect["at_most"] + tolerance
    return abs(float(score) - float(expect)) <= tolerance


def run(function, case, rename):
    given = {**case.get("params", {}), **case.get("fields", {})}
    given = {rename.get(name, name): value for name, value in given.items()}
    group = "responses" in case
    try:
        said = function(case["responses"] if group else case["response"], case["gold"], **given)
    except Exception as error:  # a crash is a wrong answer, not the end of the run
        return False, f"{type(error).__name__}: {error}"
    scores = list(said) if group else [said]
    expect = case["expect"] if isinstance(case["expect"], list) else [case["expect"]] * len(scores)
    tolerance = case.get("tolerance", 1e-5)
    fine = len(scores) == len(expect) and all(right(s, e, tolerance) for s, e in zip(scores, expect))
    return fine, said


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("function", help="MODULE:FUNCTION")
    parser.add_argument("--reward", help="only the cases of this reward")
    parser.add_argument("--cases", nargs="*", help="files of cases; all beside this script by default")
    parser.add_argument("--rename", action="append", default=[], metavar="OURS=YOURS")
    args = parser.parse_args()
    function = load(args.function)
    rename = dict(pair.split("=", 1) for pair in args.rename)
    paths = args.cases or sorted(glob.glob(os.path.join(os.path.dirname(__file__), "*.jsonl")))
    passed = failed = 0
    for where, case in cases(paths, args.reward):
        fine, said = run(function, case, rename)
        passed, failed = passed + fine, failed + (not fine)
        if not fine:
            print(f"{where} {case['id']}: expected {json.dumps(case['expect'])}, got {said!r}; {case['why']}")
    print(f"{passed} of {passed + failed} as expected")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
