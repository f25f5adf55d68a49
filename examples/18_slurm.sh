#!/bin/bash
# A training run on two nodes of a Slurm cluster: sbatch examples/18_slurm.sh
# It continues where the last job stopped, and resubmits itself until it is done.
#SBATCH --job-name=torus
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=2
#SBATCH --cpus-per-task=16
#SBATCH --time=12:00:00
#SBATCH --signal=TERM@120
#SBATCH --output=torus-%j.log
set -u

out=${TORUS_RUN:-runs/two_body}
steps=${TORUS_STEPS:-100000}
torus=${TORUS:-scripts/torus}

# Continue from the checkpoint if there is one.
if [ -e "$out/checkpoint.safetensors" ]; then
  set -- train --resume --out "$out" --steps "$steps"
else
  set -- train hgn --system two_body --preset full --set batch=64 \
    --out "$out" --steps "$steps"
fi

# Each process has 16 processors, and torus uses as many threads. If srun starts Open MPI
# processes through another interface, srun --mpi=list shows its name.
if command -v srun >/dev/null; then
  srun --mpi=pmix --cpu-bind=cores "$torus" "$@"
else
  mpirun --bind-to none --mca odls_base_sigkill_timeout 60 "$torus" "$@"
fi
status=$?

# 128 + 15: time ran out, and the checkpoint is written.
if [ "$status" -eq 143 ] && command -v sbatch >/dev/null; then
  sbatch "$0"
fi
exit "$status"
