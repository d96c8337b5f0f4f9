"""Mean and spread over runs that differ in their seed: python3 scripts/spread.py RUN_DIR...

Reads the summary.json of each run directory. For each environment and for their mean it prints the
normalised score before and after training, one column a run, then mean and sample standard deviation.
"""
import json
import statistics
import sys
from pathlib import Path


def spread(values):
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):+.3f} ± {deviation:.3f}"


def main(folders):
    if not folders:
        sys.exit(__doc__)
    runs = [json.loads((Path(folder) / "summary.json").read_text()) for folder in folders]
    print("seeds:", ", ".join(str(run["seed"]) for run in runs))
    print("| environment | episodes | " + " | ".join(f"run {i + 1}" for i in range(len(runs))) + " | change |")
    print("|---|---|" + "---|" * (len(runs) + 1))
    for name in runs[0]["environments"]:
        rows = [run["environments"][name] for run in runs]
        pairs = [(row["before_normalised"], row["after_normalised"]) for row in rows]
        cells = " | ".join(f"{before:.3f} → {after:.3f}" for before, after in pairs)
        print(f"| {name} | {rows[0]['episodes']} | {cells} | {spread([a - b for b, a in pairs])} |")
    pairs = [(run["mean_normalised_before"], run["mean_normalised_after"]) for run in runs]
    cells = " | ".join(f"{before:.3f} → {after:.3f}" for before, after in pairs)
    print(f"| **mean** | | {cells} | {spread([a - b for b, a in pairs])} |")
    for run in runs:
        memory = (run["peak_memory_bytes"] or 0) / 2**20
        print(f"seed {run['seed']}: {run['seconds']:.0f} s, {memory:.0f} MiB, weights {run['weights_hash'][:16]}")


main(sys.argv[1:])
