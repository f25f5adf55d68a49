/* Adaptive Dormand-Prince 5(4) in float64 for a batch of initial value
 * problems dy/dt = f(t, y), every trajectory with its own step size.
 *
 * Trajectories advance side by side in lanes: arrays are (size, lanes), so
 * that the compiler turns each operation into vector code. The result in one
 * lane never depends on its neighbours, so that the bits of a trajectory are
 * independent of its position in a batch and of the number of threads.
 *
 * Owns nothing; the scratch memory of a call is released before it returns.
 * Functions that can fail fill the status and return false. */
#ifndef TORUS_HAMILTONIAN_RK45_H
#define TORUS_HAMILTONIAN_RK45_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

/* Number of lanes that a field is called with, unless it accepts the whole
 * batch. */
#define TORUS_RK45_LANES 16

typedef struct torus_field torus_field;

/* dy = f(t, y). t: (lanes), y and dy: (size, lanes); constants:
 * (constant_count, lanes), those of each lane's trajectory. Called from
 * several threads at once, unless whole_batch. Only a field that calls a script
 * can fail; the solution then stops with its status. */
typedef bool torus_field_fn(const torus_field *field, int64_t lanes,
                            const double *constants, const double *t,
                            const double *y, double *dy, torus_status *status);

struct torus_field {
  torus_field_fn *fn;
  int64_t size; /* numbers in a state: q and then p */
  /* (constant_count) for all trajectories, or with constants_vary
   * (trajectories, constant_count) */
  const double *constants;
  int64_t constant_count;
  bool constants_vary;
  double friction;  /* added to the result of fn: dp/dt -= friction dq/dt */
  bool whole_batch; /* lanes = the batch, on the caller's thread */
  void *context;
};

/* The accepted steps of a trajectory, each a row of 2 + 5 size numbers: its
 * time t and length h, and five rows y, b, c, d, e of which the state at
 * t + x h is
 *
 *   y + x (b + (1 - x) (c + x (d + (1 - x) e))).
 *
 * `data` is released by torus_rk45_record_clear. */
typedef struct torus_rk45_record {
  int64_t steps, capacity;
  double *data;
  const char *failure; /* reason why the trajectory ends early, or NULL */
  double end;          /* and the time */
} torus_rk45_record;

void torus_rk45_record_clear(torus_rk45_record *record);

typedef struct torus_rk45_options {
  double rtol;       /* allowed error per step: atol + rtol |y|, in the */
  double atol;       /* root mean square over the state's numbers */
  double first_step; /* 0: chosen from f and its change */
  double max_step;   /* 0: no limit */
  int64_t max_steps; /* per trajectory, including rejected ones */
  bool every_sample; /* steps end at each sample time, without interpolation */
  /* One for each trajectory, or NULL. A failed trajectory is then not an error
   * but noted in its record, and its later samples are NaN. */
  torus_rk45_record *records;
} torus_rk45_options;

typedef struct torus_rk45_stats {
  int64_t steps; /* accepted, over all trajectories */
  int64_t rejected;
} torus_rk45_stats;

torus_rk45_options torus_rk45_defaults(void);

/* Solves from y0 (count, size), the states at times[0], and writes the states
 * at each of times (samples), which are monotonic, to out (count, samples,
 * size). States between steps are computed by a fourth-order interpolant. When
 * a trajectory fails, the status names the first one, from 1; `out` is then
 * undefined. stats may be NULL. */
bool torus_rk45_solve(const torus_field *field, int64_t count, const double *y0,
                      int64_t samples, const double *times, double *out,
                      const torus_rk45_options *options,
                      torus_rk45_stats *stats, torus_status *status);

#endif
