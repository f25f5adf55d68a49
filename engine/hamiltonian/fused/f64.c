/* The fused Hamiltonian code for double. */
#include <string.h>

#include "core/alloc.h"
#include "core/intmath.h"
#include "core/threads.h"
#include "hamiltonian/fused/kernels.h"
#include "hamiltonian/fused/plan.h"
#include "kernels/vecmath.h"

#define T double
#define NAME(x) x##_f64
#include "hamiltonian/fused/linear.inc"

#include "hamiltonian/fused/stack.inc"

#include "hamiltonian/fused/pack.inc"

#include "hamiltonian/fused/job.inc"

#include "hamiltonian/fused/field.inc"

#include "hamiltonian/fused/split.inc"

#include "hamiltonian/fused/rk.inc"

#include "hamiltonian/fused/rollout.inc"
