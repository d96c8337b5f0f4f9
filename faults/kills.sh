#!/bin/sh
# Kills a small training with SIGKILL at random moments, resumes it each time, and compares weights and metrics with
# those of a training that was left alone. Prints "N of N".
#
#   faults/kills.sh [KILLS]      default 200
set -eu
cd "$(dirname "$0")/.."
EYAS_KILLS="${1:-200}" cargo test --workspace --test resume -- --ignored --exact --nocapture \
    a_run_survives_kills_at_random_moments
