#!/bin/bash
# A night on a SLURM cluster: one task of the array per shard, and one job behind them that merges.
#
#   sbatch --array=1-16 slurm-array.sh              CAMPAIGN, FAULTLINE and NIGHT may be set before
#
# The campaign reads its shard from SLURM_ARRAY_TASK_ID, _MIN, _STEP and _COUNT. The folder NIGHT has to be on a file system that all nodes
# share. A task that was preempted goes on where it stopped when it is queued again. Live targets need a node of their own (--exclusive).
#SBATCH --job-name=faultline
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail
FAULTLINE=${FAULTLINE:-faultline}
CAMPAIGN=${CAMPAIGN:-tests/campaigns/nightly.toml}
NIGHT=${NIGHT:-$PWD/campaigns/$SLURM_ARRAY_JOB_ID}
HISTORY=${HISTORY:-$PWD/nights}

mkdir -p "$NIGHT/shards"
if [ "$SLURM_ARRAY_TASK_ID" = "$SLURM_ARRAY_TASK_MIN" ] && [ ! -e "$NIGHT/merge.job" ]; then
  # Queued once, by the first task; it waits for all of them, however they end.
  sbatch --parsable --job-name=faultline-merge --dependency="afterany:$SLURM_ARRAY_JOB_ID" --output="$NIGHT/merge.log" \
    --wrap "'$FAULTLINE' merge '$NIGHT'/shards/* --out '$NIGHT/merged' --history '$HISTORY'" > "$NIGHT/merge.job"
fi
code=0
"$FAULTLINE" campaign "$CAMPAIGN" --out "$NIGHT/shards/$SLURM_ARRAY_TASK_ID" || code=$?
# 1, 2 and 3 are results, which the merge judges; anything else is no result.
case $code in 0 | 1 | 2 | 3) ;; *) exit "$code" ;; esac
