/* Internal to the fused Hamiltonian code: the parts independent of the dtype.
 *
 * A rollout by a splitting scheme is a list of programs: one before the
 * steps, one for each step and one after them, each a short list of
 * operations on the state (q, p) of a tile. A gradient stays valid until its
 * argument changes: kicks on either side of a step's end share one. */
#ifndef TORUS_HAMILTONIAN_FUSED_PLAN_H
#define TORUS_HAMILTONIAN_FUSED_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "hamiltonian/fused/fused.h"

/* Networks of a separable Hamiltonian, K(p) and V(q). */
enum { FUSED_K, FUSED_V };

typedef enum fused_op_kind {
  FUSED_GRADIENT, /* of `net` at its current argument, and its energy */
  FUSED_ENERGY,   /* only the energy */
  FUSED_DAMP,     /* p *= exp(-c dt D); the tape keeps the result */
  FUSED_KICK,     /* p -= c dt dV/dq, of the last gradient of V */
  FUSED_DRIFT,    /* q += c dt dK/dp */
  FUSED_OUTPUT    /* the state, and the networks' last energies, are output */
} fused_op_kind;

typedef struct fused_op {
  fused_op_kind kind;
  int net;
  double c;
} fused_op;

#define FUSED_OPS_MAX (4 * TORUS_STAGES_MAX + 10)

typedef struct fused_program {
  int count;
  int entries; /* of the tape */
  fused_op ops[FUSED_OPS_MAX];
} fused_program;

typedef struct fused_plan {
  int64_t steps;
  fused_program before, first, later, after;
} fused_plan;

fused_plan fused_plan_of(const torus_rollout *r);

/* Program 0 is `before`, 1 to steps are steps, steps + 1 is `after`. */
const fused_program *fused_plan_program(const fused_plan *plan, int64_t index);

/* Entries of the tape in the programs before this one: one for each evaluation
 * and each damping. */
int64_t fused_plan_entries(const fused_plan *plan, int64_t index);

/* The entry of the last evaluation of `net` up to operation `op` of program
 * `index`, counted from the rollout's start; -1 if there is none. */
int64_t fused_plan_last(const fused_plan *plan, int64_t index, int op, int net);

/* TORUS_TAPE_LIMIT; specs set another. */
extern size_t fused_tape_limit;

/* How a batch is divided: into tiles of `rows` samples, and consecutive tiles
 * into pieces, the units of parallel work. Depends only on the job, not on the
 * number of threads. */
typedef struct fused_tiling {
  int64_t batch, rows;
  int64_t tiles, pieces, tiles_per_piece;
} fused_tiling;

/* The network whose input has the form of q and p: a quadratic energy has
 * none. */
const torus_net *fused_state_net(const torus_hamiltonian *h);

/* sums: bytes of the gradient sums of a piece, or 0. */
fused_tiling fused_tiling_of(const torus_hamiltonian *h, int64_t batch,
                             size_t sums);

/* True if tiles have so few samples that loading a dense network's weights
 * takes longer than multiplying by them. */
bool fused_has_few(const torus_hamiltonian *h, int64_t batch);

/* The functions of fused.h for each dtype; arguments have been checked. */
#define FUSED_DECLARE(name, T, suffix, constant)                               \
  size_t fused_evaluation_tape_##suffix(const torus_hamiltonian *h,            \
                                        int64_t batch);                        \
  bool fused_evaluation_forward_##suffix(                                      \
      const torus_hamiltonian *h, int64_t batch, const T *q, const T *p,       \
      T *dq, T *dp, T *energy, T *tape, torus_status *status);                 \
  bool fused_evaluation_backward_##suffix(                                     \
      const torus_hamiltonian *h, int64_t batch, const T *tape, const T *u_dq, \
      const T *u_dp, const T *u_energy, T *gq, T *gp,                          \
      const torus_net_grad *grads, torus_status *status);                      \
  size_t fused_rollout_tape_##suffix(const torus_rollout *r);                  \
  bool fused_rollout_forward_##suffix(const torus_rollout *r, const T *q0,     \
                                      const T *p0, T *q, T *p, T *energy,      \
                                      T *tape, torus_status *status);          \
  bool fused_rollout_backward_##suffix(                                        \
      const torus_rollout *r, const T *q, const T *p, const T *tape,           \
      const T *u_q, const T *u_p, const T *u_energy, T *gq0, T *gp0,           \
      double *gdt, double *gfriction, const torus_net_grad *grads,             \
      torus_status *status);
TORUS_FLOAT_DTYPES(FUSED_DECLARE)
#undef FUSED_DECLARE

#endif
