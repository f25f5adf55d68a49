#!/bin/sh
# Everything that data/results/processes.md says of several processes, in its
# order; on a machine that does nothing else, about ten minutes. The parts on
# two hosts need root (namespaces.sh).
#
#   ranks.sh [processes|bits|hosts|model]
set -eu
cd "$(dirname "$0")/../.."
part=${1:-all}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1
bench=scripts/dev/ranks.lua
hgn="hgn full steps=9 train_size=64 test_size=2 noise=0 horizon_steps=0"
hnn="hnn full steps=200 system=pendulum"

run() { # run PROCESSES ARGUMENT...
  n=$1
  shift
  if [ "$n" = 0 ]; then
    scripts/torus $bench "$@"
  else
    mpirun --bind-to none -n "$n" scripts/torus $bench "$@"
  fi
  HEAD=
}
section() {
  [ "$part" = all ] || [ "$part" = "$1" ] || return 1
  printf '\n%s\n\n' "$2"
  export HEAD=1
}

if section processes "HGN, preset full, and HNN: a process with threads, then processes"; then
  # Words on purpose.
  for job in "$hgn" "$hnn"; do
    HEAD=1
    TORUS_THREADS=1 run 0 $job
    for shares in 1 2 4 8; do TORUS_THREADS=1 run 0 $job shares=$shares; done
    run 0 $job
    for n in 1 2 4; do run $n $job shares=4; done
    for n in 2 4; do run $n $job; done
    echo
  done
fi

if section bits "Weights after 100 steps: a process, a process with four shares, 1, 2, 4"; then
  small="hgn small steps=97 train_size=64 test_size=2 noise=0 horizon_steps=0"
  for job in "$small" "hnn full steps=97 system=pendulum"; do
    HEAD=1
    run 0 $job
    run 0 $job shares=4
    for n in 1 2 4; do run $n $job shares=4; done
    for n in 2 4; do run $n $job; done
    echo
  done
fi

if section hosts "Two hosts, one process of one thread on each"; then
  for cable in "none 0" "1gbit 0.1ms"; do
    TORUS_THREADS=1 scripts/dev/namespaces.sh $cable 1 $bench $hgn
    TORUS_THREADS=1 scripts/dev/namespaces.sh $cable 1 $bench $hnn
  done
fi

if section model "Seconds of a step by the model"; then
  scripts/torus scripts/dev/ranks_model.lua
fi
