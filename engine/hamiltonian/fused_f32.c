/* The fused Hamiltonian code for float. */
#include <string.h>

#include "core/alloc.h"
#include "core/threads.h"
#include "core/whole.h"
#include "hamiltonian/fused_kernels.h"
#include "hamiltonian/fused_plan.h"
#include "kernels/vecmath.h"

#define T float
#define NAME(x) x##_f32
#include "hamiltonian/fused_linear.inc"

#include "hamiltonian/fused_stack.inc"

#include "hamiltonian/fused_pack.inc"

#include "hamiltonian/fused_job.inc"

#include "hamiltonian/fused_field.inc"

#include "hamiltonian/fused_split.inc"

#include "hamiltonian/fused_rk.inc"

#include "hamiltonian/fused_rollout.inc"
