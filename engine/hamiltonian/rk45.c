#include "hamiltonian/rk45.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/threads.h"
#include "kernels/clones.h"

/* Trajectories in a piece of parallel work: many times the lanes, so that
 * a lane whose trajectory is done takes the next one. */
#define PIECE 256

#define INLINE static inline __attribute__((always_inline))

/* The tableau of Dormand and Prince (1980). The last stage is the first of
 * the next step; e is the fifth-order weights less the fourth-order ones, d
 * the weights of Hairer's continuous extension. */
static const double c2 = 1.0 / 5, c3 = 3.0 / 10, c4 = 4.0 / 5, c5 = 8.0 / 9;
static const double a21 = 1.0 / 5;
static const double a31 = 3.0 / 40, a32 = 9.0 / 40;
static const double a41 = 44.0 / 45, a42 = -56.0 / 15, a43 = 32.0 / 9;
static const double a51 = 19372.0 / 6561, a52 = -25360.0 / 2187,
                    a53 = 64448.0 / 6561, a54 = -212.0 / 729;
static const double a61 = 9017.0 / 3168, a62 = -355.0 / 33,
                    a63 = 46732.0 / 5247, a64 = 49.0 / 176,
                    a65 = -5103.0 / 18656;
static const double b1 = 35.0 / 384, b3 = 500.0 / 1113, b4 = 125.0 / 192,
                    b5 = -2187.0 / 6784, b6 = 11.0 / 84;
static const double e1 = 71.0 / 57600, e3 = -71.0 / 16695, e4 = 71.0 / 1920,
                    e5 = -17253.0 / 339200, e6 = 22.0 / 525, e7 = -1.0 / 40;
static const double d1 = -12715105075.0 / 11282082432.0,
                    d3 = 87487479700.0 / 32700410799.0,
                    d4 = -10690763975.0 / 1880347072.0,
                    d5 = 701980252875.0 / 199316789632.0,
                    d6 = -1453857185.0 / 822651844.0,
                    d7 = 69997945.0 / 29380423.0;

typedef enum reason { FINE, UNDERFLOW_STEP, NOT_FINITE, TOO_MANY } reason;

/* The first trajectory of a piece that failed. */
typedef struct failure {
  reason reason;
  int64_t trajectory;
  double t;
  int64_t steps;
} failure;

typedef struct job {
  const torus_field *field;
  int64_t count, samples;
  const double *y0, *times;
  double *out;
  const torus_rk45_options *options;
  double direction; /* 1 or -1 */
  int64_t lanes, piece;
  char *scratch; /* one block per thread */
  size_t scratch_bytes;
  failure *failures;       /* one per piece */
  torus_rk45_stats *stats; /* one per piece */
  torus_status *status;    /* one per piece: of fields that call out */
} job;

/* Working arrays of one thread. */
typedef struct work {
  double *y, *ynew, *ystage, *k[7];        /* (size, lanes) */
  double *t, *tstage, *h, *error, *factor; /* (lanes) */
  int64_t *accepted, *trajectory, *sample, *steps, *shrunk;
  double *start_k; /* (piece, size): f at the initial states */
  double *start_h; /* (piece): first steps */
} work;

static int64_t work_numbers(int64_t size, int64_t lanes, int64_t piece) {
  return 10 * size * lanes + 10 * lanes + piece * size + piece;
}

static work work_at(void *memory, int64_t size, int64_t lanes, int64_t piece) {
  double *next = memory;
  work w;
  w.y = next, next += size * lanes;
  w.ynew = next, next += size * lanes;
  w.ystage = next, next += size * lanes;
  for (int i = 0; i < 7; i++) w.k[i] = next, next += size * lanes;
  w.t = next, next += lanes;
  w.tstage = next, next += lanes;
  w.h = next, next += lanes;
  w.error = next, next += lanes;
  w.factor = next, next += lanes;
  w.start_k = next, next += piece * size;
  w.start_h = next, next += piece;
  int64_t *integers = (int64_t *)next;
  w.accepted = integers;
  w.trajectory = integers + lanes;
  w.sample = integers + 2 * lanes;
  w.steps = integers + 3 * lanes;
  w.shrunk = integers + 4 * lanes;
  return w;
}

/* --- one step of all lanes ------------------------------------------------ */

INLINE void stage_times(const work *w, double c, int64_t lanes) {
  for (int64_t l = 0; l < lanes; l++) w->tstage[l] = w->t[l] + c * w->h[l];
}

/* ystage = y + h (a1 k1 + ... + a5 k5); absent stages have weight zero and
 * `stages` says how many are read. */
INLINE void stage_states(const work *w, int stages, double a1, double a2,
                         double a3, double a4, double a5, int64_t size,
                         int64_t lanes) {
  for (int64_t d = 0; d < size; d++) {
    int64_t row = d * lanes;
    const double *restrict y = w->y + row, *restrict h = w->h;
    const double *restrict k1 = w->k[0] + row, *restrict k2 = w->k[1] + row;
    const double *restrict k3 = w->k[2] + row, *restrict k4 = w->k[3] + row;
    const double *restrict k5 = w->k[4] + row;
    double *restrict to = w->ystage + row;
    for (int64_t l = 0; l < lanes; l++) {
      double slope = a1 * k1[l];
      if (stages > 1) slope += a2 * k2[l];
      if (stages > 2) slope += a3 * k3[l];
      if (stages > 3) slope += a4 * k4[l];
      if (stages > 4) slope += a5 * k5[l];
      to[l] = y[l] + h[l] * slope;
    }
  }
}

INLINE void new_states(const work *w, int64_t size, int64_t lanes) {
  for (int64_t d = 0; d < size; d++) {
    int64_t row = d * lanes;
    const double *restrict y = w->y + row, *restrict h = w->h;
    const double *restrict k1 = w->k[0] + row, *restrict k3 = w->k[2] + row;
    const double *restrict k4 = w->k[3] + row, *restrict k5 = w->k[4] + row;
    const double *restrict k6 = w->k[5] + row;
    double *restrict to = w->ynew + row;
    for (int64_t l = 0; l < lanes; l++)
      to[l] = y[l] + h[l] * (b1 * k1[l] + b3 * k3[l] + b4 * k4[l] + b5 * k5[l] +
                             b6 * k6[l]);
  }
}

/* x^(-1/10) to about 1e-3 for x in [1e-20, 1e20]: a guess from the exponent
 * bits and two Newton steps. A call of pow per lane would cost more than the
 * rest of a step. */
INLINE double inverse_tenth_root(double x) {
  union {
    float number;
    int32_t bits;
  } u = {.number = (float)x};
  u.bits = 1171876250 - (int32_t)(0.1F * (float)u.bits);
  double z = (double)u.number;
  for (int i = 0; i < 2; i++) {
    double z2 = z * z, z4 = z2 * z2;
    z *= 1.1 - 0.1 * x * z4 * z4 * z2;
  }
  return z;
}

/* error: mean square of the step's error over what is allowed; factor: by
 * which the step should change. */
INLINE void step_errors(const work *w, const torus_rk45_options *o,
                        int64_t size, int64_t lanes) {
  double *restrict error = w->error, *restrict factor = w->factor;
  const double *restrict h = w->h;
  for (int64_t l = 0; l < lanes; l++) error[l] = 0;
  for (int64_t d = 0; d < size; d++) {
    int64_t row = d * lanes;
    const double *restrict y = w->y + row, *restrict z = w->ynew + row;
    const double *restrict k1 = w->k[0] + row, *restrict k3 = w->k[2] + row;
    const double *restrict k4 = w->k[3] + row, *restrict k5 = w->k[4] + row;
    const double *restrict k6 = w->k[5] + row, *restrict k7 = w->k[6] + row;
    for (int64_t l = 0; l < lanes; l++) {
      double e = h[l] * (e1 * k1[l] + e3 * k3[l] + e4 * k4[l] + e5 * k5[l] +
                         e6 * k6[l] + e7 * k7[l]);
      double from = fabs(y[l]), to = fabs(z[l]);
      e /= o->atol + o->rtol * (from > to ? from : to);
      error[l] += e * e;
    }
  }
  for (int64_t l = 0; l < lanes; l++) {
    error[l] /= (double)size;
    /* False for NaN too: the step is then far too long. */
    double x = error[l] < 1e20 ? error[l] : 1e20;
    x = x > 1e-20 ? x : 1e-20;
    double f = 0.9 * inverse_tenth_root(x);
    f = f < 10 ? f : 10;
    factor[l] = f > 0.2 ? f : 0.2;
  }
}

INLINE void keep_accepted(const work *w, int64_t size, int64_t lanes) {
  const int64_t *restrict accepted = w->accepted;
  for (int64_t d = 0; d < size; d++) {
    double *restrict y = w->y + d * lanes, *restrict k1 = w->k[0] + d * lanes;
    const double *restrict ynew = w->ynew + d * lanes;
    const double *restrict k7 = w->k[6] + d * lanes;
    for (int64_t l = 0; l < lanes; l++) {
      y[l] = accepted[l] ? ynew[l] : y[l];
      k1[l] = accepted[l] ? k7[l] : k1[l];
    }
  }
}

INLINE bool field_at(const torus_field *field, int64_t lanes, const double *t,
                     const double *y, double *dy, torus_status *status) {
  return field->fn(field, lanes, t, y, dy, status);
}

/* Tries a step of every lane: ynew, k, error and factor. */
INLINE bool try_step(const job *j, const work *w, int64_t lanes,
                     torus_status *status) {
  const torus_field *f = j->field;
  int64_t n = f->size;
#define STAGE(number, c, ...)                                                  \
  stage_times(w, c, lanes);                                                    \
  stage_states(w, number, __VA_ARGS__, n, lanes);                              \
  if (!field_at(f, lanes, w->tstage, w->ystage, w->k[number], status))         \
    return false;
  STAGE(1, c2, a21, 0, 0, 0, 0)
  STAGE(2, c3, a31, a32, 0, 0, 0)
  STAGE(3, c4, a41, a42, a43, 0, 0)
  STAGE(4, c5, a51, a52, a53, a54, 0)
  STAGE(5, 1.0, a61, a62, a63, a64, a65)
#undef STAGE
  new_states(w, n, lanes);
  if (!field_at(f, lanes, w->tstage, w->ynew, w->k[6], status)) return false;
  step_errors(w, j->options, n, lanes);
  return true;
}

/* --- lanes ---------------------------------------------------------------- */

/* The C library's fmax and fmin are calls. */
INLINE double larger(double a, double b) { return a > b ? a : b; }
INLINE double smaller(double a, double b) { return a < b ? a : b; }

static double least_step(const job *j, double t) {
  double span = fabs(j->times[j->samples - 1] - j->times[0]);
  return 16 * DBL_EPSILON * larger(fabs(t), span);
}

static void fail(failure *f, reason why, int64_t trajectory, double t,
                 int64_t steps) {
  if (f->reason != FINE && f->trajectory <= trajectory) return;
  *f = (failure){why, trajectory, t, steps};
}

/* Shortens a step that passes samples to end on the last of them: a sample
 * per step or fewer, as is usual, and none is interpolated. */
static double to_sample(const job *j, double t, double h, int64_t sample) {
  double end = t + h;
  if ((j->times[sample] - end) * j->direction >= 0) return h;
  while (sample + 1 < j->samples &&
         (j->times[sample + 1] - end) * j->direction <= 0)
    sample++;
  return j->times[sample] - t;
}

/* Puts trajectory `index` of the piece that starts at `first` into a lane. */
static void lane_start(const job *j, const work *w, int64_t lanes, int64_t l,
                       int64_t first, int64_t index) {
  int64_t n = j->field->size, at = first + index;
  for (int64_t d = 0; d < n; d++) {
    w->y[d * lanes + l] = j->y0[at * n + d];
    w->k[0][d * lanes + l] = w->start_k[index * n + d];
  }
  memcpy(j->out + at * j->samples * n, j->y0 + at * n, sizeof(double) * n);
  w->t[l] = j->times[0];
  w->h[l] = to_sample(j, w->t[l], w->start_h[index], 1);
  w->trajectory[l] = at;
  w->sample[l] = 1;
  w->steps[l] = 0;
  w->shrunk[l] = 0;
}

/* Writes the samples within the accepted step of lane l and moves its time
 * on, to the last sample itself where the two differ by rounding. */
static void lane_samples(const job *j, const work *w, int64_t lanes,
                         int64_t l) {
  int64_t n = j->field->size, sample = w->sample[l];
  double t = w->t[l], h = w->h[l], end = t + h;
  double slack = 4 * DBL_EPSILON * larger(fabs(t), fabs(end));
  while (sample < j->samples &&
         (j->times[sample] - end) * j->direction <= slack) {
    double x = (j->times[sample] - t) / h;
    if (fabs(j->times[sample] - end) <= slack) {
      end = j->times[sample];
      x = 1;
    }
    double *to = j->out + (w->trajectory[l] * j->samples + sample) * n;
    for (int64_t d = 0; d < n; d++) {
      int64_t i = d * lanes + l;
      double rise = w->ynew[i] - w->y[i];
      double bend = h * w->k[0][i] - rise;
      double end = rise - h * w->k[6][i] - bend;
      double last = h * (d1 * w->k[0][i] + d3 * w->k[2][i] + d4 * w->k[3][i] +
                         d5 * w->k[4][i] + d6 * w->k[5][i] + d7 * w->k[6][i]);
      to[d] =
          w->y[i] + x * (rise + (1 - x) * (bend + x * (end + (1 - x) * last)));
    }
    sample++;
  }
  w->sample[l] = sample;
  w->t[l] = end;
}

/* Accepts or rejects the step that lane l tried. False when its trajectory is
 * done or has failed. */
static bool lane_advance(const job *j, const work *w, int64_t lanes, int64_t l,
                         failure *failed, torus_rk45_stats *stats) {
  double h = w->h[l], factor = w->factor[l];
  w->steps[l]++;
  w->accepted[l] = w->error[l] <= 1;
  if (w->accepted[l]) {
    stats->steps++;
    lane_samples(j, w, lanes, l);
    if (w->sample[l] == j->samples) return false;
    if (w->shrunk[l] && factor > 1) factor = 1;
    w->shrunk[l] = 0;
  } else {
    stats->rejected++;
    w->shrunk[l] = 1;
  }
  h *= factor;
  if (j->options->max_step > 0 && fabs(h) > j->options->max_step)
    h = j->direction * j->options->max_step;
  reason why = FINE;
  if (fabs(h) < least_step(j, w->t[l]))
    why = isfinite(w->error[l]) ? UNDERFLOW_STEP : NOT_FINITE;
  else if (w->steps[l] >= j->options->max_steps)
    why = TOO_MANY;
  if (why != FINE) {
    fail(failed, why, w->trajectory[l], w->t[l], w->steps[l]);
    return false;
  }
  w->h[l] = to_sample(j, w->t[l], h, w->sample[l]);
  return true;
}

/* --- first steps ---------------------------------------------------------- */

/* Root mean square of a lane's numbers over what is allowed at y. */
INLINE double lane_norm(const job *j, const work *w, const double *x,
                        const double *minus, int64_t lanes, int64_t l) {
  double sum = 0;
  for (int64_t d = 0; d < j->field->size; d++) {
    int64_t i = d * lanes + l;
    double scale = j->options->atol + j->options->rtol * fabs(w->y[i]);
    double value = (minus ? x[i] - minus[i] : x[i]) / scale;
    sum += value * value;
  }
  return sqrt(sum / (double)j->field->size);
}

/* f at `block` trajectories from `index` on of a piece, and their first
 * steps by the rule of Hairer, Norsett and Wanner (section II.4). */
INLINE bool start_block(const job *j, const work *w, int64_t lanes,
                        int64_t first, int64_t index, int64_t block,
                        failure *failed, torus_status *status) {
  const torus_rk45_options *o = j->options;
  int64_t n = j->field->size;
  double span = fabs(j->times[j->samples - 1] - j->times[0]);
  for (int64_t l = 0; l < lanes; l++) {
    /* Lanes to spare repeat the last trajectory. */
    int64_t at = first + index + (l < block ? l : block - 1);
    for (int64_t d = 0; d < n; d++) w->y[d * lanes + l] = j->y0[at * n + d];
    w->t[l] = j->times[0];
  }
  if (!field_at(j->field, lanes, w->t, w->y, w->k[0], status)) return false;
  for (int64_t l = 0; l < lanes; l++) {
    double size = lane_norm(j, w, w->y, NULL, lanes, l);
    double slope = lane_norm(j, w, w->k[0], NULL, lanes, l);
    double h = size < 1e-5 || slope < 1e-5 ? 1e-6 : 0.01 * size / slope;
    w->h[l] = j->direction * smaller(h, span);
    w->tstage[l] = w->t[l] + w->h[l];
    if (!isfinite(size + slope) && l < block)
      fail(failed, NOT_FINITE, first + index + l, w->t[l], 0);
  }
  stage_states(w, 1, 1, 0, 0, 0, 0, n, lanes);
  if (!field_at(j->field, lanes, w->tstage, w->ystage, w->k[1], status))
    return false;
  for (int64_t l = 0; l < block; l++) {
    double h = fabs(w->h[l]);
    double slope = lane_norm(j, w, w->k[0], NULL, lanes, l);
    double bend = lane_norm(j, w, w->k[1], w->k[0], lanes, l) / h;
    double most = larger(slope, bend);
    h = smaller(100 * h,
                most <= 1e-15 ? larger(1e-6, 1e-3 * h) : pow(0.01 / most, 0.2));
    if (!(h > 0)) h = 1e-6;
    if (o->first_step > 0) h = o->first_step;
    if (o->max_step > 0) h = smaller(h, o->max_step);
    w->start_h[index + l] = j->direction * smaller(h, span);
    for (int64_t d = 0; d < n; d++)
      w->start_k[(index + l) * n + d] = w->k[0][d * lanes + l];
  }
  return true;
}

/* --- pieces --------------------------------------------------------------- */

INLINE bool solve(const job *j, const work *w, int64_t lanes, int64_t first,
                  int64_t count, failure *failed, torus_rk45_stats *stats,
                  torus_status *status) {
  for (int64_t i = 0; i < count; i += lanes) {
    int64_t block = count - i < lanes ? count - i : lanes;
    if (!start_block(j, w, lanes, first, i, block, failed, status))
      return false;
  }
  if (failed->reason != FINE) return true;
  /* A lane without a trajectory stands still: h = 0. */
  int64_t next = 0, active = 0;
  for (int64_t l = 0; l < lanes; l++) {
    lane_start(j, w, lanes, l, first, next < count ? next : count - 1);
    if (next < count)
      next++, active++;
    else
      w->h[l] = 0, w->trajectory[l] = -1;
  }
  while (active > 0) {
    if (!try_step(j, w, lanes, status)) return false;
    bool done = false;
    for (int64_t l = 0; l < lanes; l++) {
      w->accepted[l] = 0;
      if (w->trajectory[l] < 0) continue;
      if (lane_advance(j, w, lanes, l, failed, stats)) continue;
      w->accepted[l] = 0;
      w->h[l] = 0;
      w->trajectory[l] = -1;
      active--, done = true;
    }
    keep_accepted(w, j->field->size, lanes);
    for (int64_t l = 0; done && l < lanes && next < count; l++)
      if (w->trajectory[l] < 0)
        lane_start(j, w, lanes, l, first, next++), active++;
  }
  return true;
}

CLONES static void solve_lanes(const job *j, const work *w, int64_t first,
                               int64_t count, failure *failed,
                               torus_rk45_stats *stats, torus_status *status) {
  solve(j, w, TORUS_RK45_LANES, first, count, failed, stats, status);
}

static void solve_batch(const job *j, const work *w, failure *failed,
                        torus_rk45_stats *stats, torus_status *status) {
  solve(j, w, j->lanes, 0, j->count, failed, stats, status);
}

static void solve_piece(void *arg, int64_t piece, int thread) {
  const job *j = arg;
  work w = work_at(j->scratch + j->scratch_bytes * (size_t)thread,
                   j->field->size, j->lanes, j->piece);
  int64_t first = piece * j->piece;
  int64_t count = j->count - first < j->piece ? j->count - first : j->piece;
  if (j->field->whole_batch)
    solve_batch(j, &w, j->failures, j->stats, j->status);
  else
    solve_lanes(j, &w, first, count, j->failures + piece, j->stats + piece,
                j->status + piece);
}

/* --- the call ------------------------------------------------------------- */

torus_rk45_options torus_rk45_defaults(void) {
  return (torus_rk45_options){
      .rtol = 1e-10, .atol = 1e-12, .max_steps = 1000000};
}

static bool check_options(const torus_rk45_options *o, torus_status *status) {
  if (!(o->rtol >= 0) || !(o->atol >= 0) || !(o->rtol + o->atol > 0) ||
      !isfinite(o->rtol + o->atol))
    return torus_status_fail(status, TORUS_EINVAL,
                             "rk45: expected tolerances of at least 0, not "
                             "both 0, got rtol %g and atol %g",
                             o->rtol, o->atol);
  if (!(o->first_step >= 0) || !(o->max_step >= 0))
    return torus_status_fail(status, TORUS_EINVAL,
                             "rk45: expected step sizes above 0, got "
                             "first_step %g and max_step %g",
                             o->first_step, o->max_step);
  if (o->max_steps < 1)
    return torus_status_fail(status, TORUS_EINVAL,
                             "rk45: expected max_steps of at least 1, got %lld",
                             (long long)o->max_steps);
  return true;
}

static bool check_times(int64_t samples, const double *times,
                        torus_status *status) {
  if (samples < 1)
    return torus_status_fail(status, TORUS_EINVAL,
                             "rk45: expected at least one time, got none");
  for (int64_t i = 0; i < samples; i++)
    if (!isfinite(times[i]))
      return torus_status_fail(status, TORUS_EINVAL,
                               "rk45: expected finite times, got %g at %lld",
                               times[i], (long long)i + 1);
  for (int64_t i = 1; i < samples; i++)
    if (!((times[i] - times[i - 1]) * (times[samples - 1] - times[0]) > 0))
      return torus_status_fail(status, TORUS_EINVAL,
                               "rk45: expected times that rise or fall "
                               "throughout, got %.17g after %.17g at %lld",
                               times[i], times[i - 1], (long long)i + 1);
  return true;
}

static bool report(const failure *f, torus_status *status) {
  static const char *const words[] = {
      [UNDERFLOW_STEP] = "its step size fell below the resolution of time (a "
                         "collision or a singularity?)",
      [NOT_FINITE] = "its vector field is not finite",
      [TOO_MANY] = "it needs more than max_steps"};
  return torus_status_fail(status, TORUS_EINVAL,
                           "rk45: trajectory %lld failed at t = %g after %lld "
                           "steps: %s",
                           (long long)f->trajectory + 1, f->t,
                           (long long)f->steps, words[f->reason]);
}

static bool run(job *j, int64_t pieces, torus_rk45_stats *stats,
                torus_status *status) {
  torus_parallel(pieces, solve_piece, j);
  for (int64_t i = 0; i < pieces; i++) {
    if (j->status[i].code != TORUS_OK)
      return torus_status_fail(status, j->status[i].code, "%s",
                               j->status[i].message);
    if (j->failures[i].reason != FINE) return report(&j->failures[i], status);
    if (!stats) continue;
    stats->steps += j->stats[i].steps;
    stats->rejected += j->stats[i].rejected;
  }
  return true;
}

bool torus_rk45_solve(const torus_field *field, int64_t count, const double *y0,
                      int64_t samples, const double *times, double *out,
                      const torus_rk45_options *options,
                      torus_rk45_stats *stats, torus_status *status) {
  if (stats) *stats = (torus_rk45_stats){0};
  if (!check_options(options, status) || !check_times(samples, times, status))
    return false;
  if (count == 0 || field->size == 0) return true;
  if (samples == 1) {
    memcpy(out, y0, sizeof(double) * (size_t)(count * field->size));
    return true;
  }
  job j = {.field = field,
           .count = count,
           .samples = samples,
           .y0 = y0,
           .times = times,
           .out = out,
           .options = options,
           .direction = times[samples - 1] > times[0] ? 1 : -1,
           .lanes = field->whole_batch ? count : TORUS_RK45_LANES,
           .piece = field->whole_batch ? count : PIECE};
  int64_t pieces = (count + j.piece - 1) / j.piece;
  int64_t threads = field->whole_batch ? 1 : torus_threads();
  int64_t numbers = work_numbers(field->size, j.lanes, j.piece);
  j.scratch_bytes = sizeof(double) * (size_t)((numbers + 7) / 8 * 8);
  j.scratch = torus_alloc(j.scratch_bytes * (size_t)threads);
  j.failures = torus_alloc(sizeof(failure) * (size_t)pieces);
  j.stats = torus_alloc(sizeof(torus_rk45_stats) * (size_t)pieces);
  j.status = torus_alloc(sizeof(torus_status) * (size_t)pieces);
  bool ok = j.scratch && j.failures && j.stats && j.status;
  if (ok) {
    memset(j.failures, 0, sizeof(failure) * (size_t)pieces);
    memset(j.stats, 0, sizeof(torus_rk45_stats) * (size_t)pieces);
    memset(j.status, 0, sizeof(torus_status) * (size_t)pieces);
    ok = run(&j, pieces, stats, status);
  } else {
    torus_status_fail(status, TORUS_ENOMEM,
                      "rk45: no memory for %lld trajectories",
                      (long long)count);
  }
  torus_free(j.scratch);
  torus_free(j.failures);
  torus_free(j.stats);
  torus_free(j.status);
  return ok;
}
