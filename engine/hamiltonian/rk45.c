#include "hamiltonian/rk45.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/interrupt.h"
#include "core/threads.h"
#include "hamiltonian/rk45_step.h"

/* Trajectories in a piece of parallel work: many times the number of lanes, so
 * that a lane whose trajectory has ended takes the next one. */
#define PIECE 256

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
  torus_status *status;    /* one per piece, for fields that call a script */
} job;

INLINE bool field_at(const torus_field *field, const work *w, int64_t lanes,
                     const double *t, const double *y, double *dy,
                     torus_status *status) {
  if (!field->fn(field, lanes, w->constants, t, y, dy, status)) return false;
  double friction = field->friction;
  int64_t half = field->size / 2 * lanes;
  for (int64_t i = 0; friction != 0 && i < half; i++)
    dy[half + i] -= friction * dy[i];
  return true;
}

/* The constants of trajectory `at` in lane l. */
INLINE void lane_constants(const torus_field *field, const work *w,
                           int64_t lanes, int64_t l, int64_t at) {
  int64_t count = field->constant_count;
  const double *from = field->constants;
  if (field->constants_vary) from += at * count;
  for (int64_t i = 0; i < count; i++) w->constants[i * lanes + l] = from[i];
}

/* Tries a step of every lane: ynew, k, error and factor. */
INLINE bool try_step(const job *j, const work *w, int64_t lanes,
                     torus_status *status) {
  const torus_field *f = j->field;
  int64_t n = f->size;
#define STAGE(number, c, ...)                                                  \
  stage_times(w, c, lanes);                                                    \
  stage_states(w, number, __VA_ARGS__, n, lanes);                              \
  if (!field_at(f, w, lanes, w->tstage, w->ystage, w->k[number], status))      \
    return false;
  STAGE(1, c2, a21, 0, 0, 0, 0)
  STAGE(2, c3, a31, a32, 0, 0, 0)
  STAGE(3, c4, a41, a42, a43, 0, 0)
  STAGE(4, c5, a51, a52, a53, a54, 0)
  STAGE(5, 1.0, a61, a62, a63, a64, a65)
#undef STAGE
  new_states(w, n, lanes);
  if (!field_at(f, w, lanes, w->tstage, w->ynew, w->k[6], status)) return false;
  step_errors(w, j->options, n, lanes);
  return true;
}

/* --- lanes ---------------------------------------------------------------- */

/* Unlike these, the C library's fmax and fmin are function calls. */
INLINE double larger(double a, double b) { return a > b ? a : b; }
INLINE double smaller(double a, double b) { return a < b ? a : b; }

/* Times this close, in a step from t to end, count as equal. */
INLINE double rounding(double t, double end) {
  return 4 * DBL_EPSILON * larger(fabs(t), fabs(end));
}

/* A step shorter than this makes no progress. */
INLINE double least_step(double t, double span) {
  return 16 * DBL_EPSILON * larger(fabs(t), span);
}

INLINE double span_of(const job *j) {
  return fabs(j->times[j->samples - 1] - j->times[0]);
}

/* A step that a sample has shortened to less than this part says nothing about
 * the next one: from it the solver would take many steps to grow again, or
 * would give up. */
#define STUB 1e-6

/* Decides on every lane's step: sets accepted, t_next and h_next, and special
 * if a sample is reached or the trajectory fails. Returns true if any lane is
 * special. */
INLINE bool decide(const job *j, const work *w, int64_t lanes) {
  const double *restrict ts = w->t, *restrict hs = w->h, *restrict due = w->due;
  const double *restrict errors = w->error, *restrict factors = w->factor;
  const double *restrict active = w->active, *restrict uncuts = w->uncut;
  double *restrict t_nexts = w->t_next, *restrict h_nexts = w->h_next;
  double *restrict steps = w->steps, *restrict taken = w->taken;
  double *restrict accepts = w->accepted, *restrict shrunk = w->shrunk;
  double *restrict specials = w->special;
  double direction = j->direction, any = 0;
  double largest = j->options->max_step > 0 ? j->options->max_step : DBL_MAX;
  double longest = direction * largest;
  double max_steps = (double)j->options->max_steps, span = span_of(j);
  for (int64_t l = 0; l < lanes; l++) {
    double t = ts[l], h = hs[l], end = t + h, factor = factors[l];
    double accepted = errors[l] <= 1 ? 1 : 0;
    double t_next = accepted > 0 ? end : t;
    double limit = accepted > shrunk[l] ? factor : 1;
    double next = h * smaller(factor, limit), uncut = uncuts[l];
    next = accepted * fabs(uncut) * STUB > fabs(h) ? uncut : next;
    double size = fabs(next);
    double reached =
        (due[l] - end) * direction <= rounding(t, end) ? accepted : 0;
    double fails = size < least_step(t_next, span) ? 1 : 0;
    double spent = steps[l] + 1 >= max_steps ? 1 : 0;
    double special = active[l] * (reached + fails + spent);
    steps[l] += 1;
    taken[l] += accepted;
    accepts[l] = accepted;
    shrunk[l] = 1 - accepted;
    specials[l] = special;
    t_nexts[l] = t_next;
    h_nexts[l] = size > largest ? longest : next;
    any += special;
  }
  return any > 0;
}

/* The part of shorten() for lanes whose step passes several samples. */
static void shorten_far(const job *j, const work *w, int64_t l) {
  double end = w->t_next[l] + w->h_next[l];
  int64_t sample = w->sample[l];
  while (sample + 1 < j->samples &&
         (j->times[sample + 1] - end) * j->direction <= 0)
    sample++;
  w->h_next[l] = j->times[sample] - w->t_next[l];
}

/* Steps that pass samples end on the last of them: with at most one sample per
 * step, as is usual, none is interpolated. */
INLINE void shorten(const job *j, const work *w, int64_t lanes) {
  const double *restrict ts = w->t_next, *restrict due = w->due;
  const double *restrict after = w->after;
  double *restrict hs = w->h_next, *restrict special = w->special;
  double *restrict uncuts = w->uncut;
  double direction = j->direction, any = 0;
  for (int64_t l = 0; l < lanes; l++) {
    uncuts[l] = hs[l];
    double end = ts[l] + hs[l];
    double far = (after[l] - end) * direction <= 0 ? 1 : 0;
    double near = (due[l] - end) * direction < 0 ? 1 : 0;
    special[l] = far;
    hs[l] = near > far ? due[l] - ts[l] : hs[l];
    any += far;
  }
  for (int64_t l = 0; any > 0 && l < lanes; l++)
    if (special[l] > 0) shorten_far(j, w, l);
}

static void set_due(const job *j, const work *w, int64_t l) {
  int64_t sample = w->sample[l];
  double never = j->direction * HUGE_VAL;
  bool more = sample + 1 < j->samples && !j->options->every_sample;
  w->due[l] = sample < j->samples ? j->times[sample] : never;
  w->after[l] = more ? j->times[sample + 1] : never;
}

static const char *const reasons[] = {
    [UNDERFLOW_STEP] = "its step size fell below the resolution of time (a "
                       "collision or a singularity?)",
    [NOT_FINITE] = "its vector field is not finite",
    [TOO_MANY] = "it needs more than max_steps"};

static void fail(const job *j, failure *f, reason why, int64_t trajectory,
                 double t, double steps) {
  if (j->options->records) {
    j->options->records[trajectory].failure = reasons[why];
    j->options->records[trajectory].end = t;
    return;
  }
  if (f->reason != FINE && f->trajectory <= trajectory) return;
  *f = (failure){why, trajectory, t, (int64_t)steps};
}

/* Puts trajectory `index` of the piece that starts at `first` into a lane. */
static void lane_start(const job *j, const work *w, int64_t lanes, int64_t l,
                       int64_t first, int64_t index) {
  int64_t n = j->field->size, at = first + index;
  for (int64_t d = 0; d < n; d++) {
    w->y[d * lanes + l] = j->y0[at * n + d];
    w->k[0][d * lanes + l] = w->start_k[index * n + d];
  }
  lane_constants(j->field, w, lanes, l, at);
  w->trajectory[l] = at;
  w->sample[l] = 0;
  while (j->times[w->sample[l]] == j->times[0]) {
    memcpy(j->out + (at * j->samples + w->sample[l]) * n, j->y0 + at * n,
           sizeof(double) * (size_t)n);
    w->sample[l]++;
  }
  w->active[l] = 1;
  w->steps[l] = w->taken[l] = w->shrunk[l] = 0;
  set_due(j, w, l);
  w->t[l] = w->t_next[l] = j->times[0];
  w->h_next[l] = w->uncut[l] = w->start_h[index];
  if ((w->due[l] - (w->t[l] + w->h_next[l])) * j->direction <= 0)
    shorten_far(j, w, l);
  w->h[l] = w->h_next[l];
}

/* Leaves a lane without a trajectory. */
static void lane_stop(const job *j, const work *w, int64_t l,
                      torus_rk45_stats *stats) {
  stats->steps += (int64_t)w->taken[l];
  stats->rejected += (int64_t)(w->steps[l] - w->taken[l]);
  w->active[l] = w->accepted[l] = 0;
  w->due[l] = w->after[l] = j->direction * HUGE_VAL;
  w->t_next[l] = w->t[l];
  w->h_next[l] = w->uncut[l] = 0;
}

void torus_rk45_record_clear(torus_rk45_record *record) {
  torus_free(record->data);
  *record = (torus_rk45_record){0};
}

static bool record_steps(const job *j, const work *w, int64_t lanes,
                         torus_status *status) {
  for (int64_t l = 0; l < lanes; l++) {
    if (w->active[l] == 0 || w->accepted[l] == 0) continue;
    torus_rk45_record *record = &j->options->records[w->trajectory[l]];
    if (!record_step(record, w, j->field->size, lanes, l))
      return torus_status_fail(status, TORUS_ENOMEM,
                               "rk45: out of memory for the steps");
  }
  return true;
}

/* Fills in the samples that a failed trajectory has not reached. */
static void lane_give_up(const job *j, const work *w, int64_t l) {
  int64_t n = j->field->size, first = w->trajectory[l] * j->samples;
  double *to = j->out + (first + w->sample[l]) * n;
  double *end = j->out + (first + j->samples) * n;
  while (to < end) *to++ = NAN;
}

/* Writes the samples within the accepted step of lane l; a time that differs
 * from the last one's by rounding becomes that. */
static void lane_samples(const job *j, const work *w, int64_t lanes,
                         int64_t l) {
  int64_t n = j->field->size, sample = w->sample[l];
  double t = w->t[l], end = t + w->h[l];
  double slack = rounding(t, end);
  for (;
       sample < j->samples && (j->times[sample] - end) * j->direction <= slack;
       sample++) {
    double *to = j->out + (w->trajectory[l] * j->samples + sample) * n;
    if (fabs(j->times[sample] - end) > slack) {
      interpolate(w, n, lanes, l, (j->times[sample] - t) / w->h[l], to);
      continue;
    }
    w->t_next[l] = j->times[sample];
    for (int64_t d = 0; d < n; d++) to[d] = w->ynew[d * lanes + l];
  }
  w->sample[l] = sample;
  set_due(j, w, l);
}

/* Handles a special lane. Returns false when the trajectory of lane l has
 * ended, successfully or not. */
static bool lane_special(const job *j, const work *w, int64_t lanes, int64_t l,
                         failure *failed) {
  if (w->accepted[l] > 0) lane_samples(j, w, lanes, l);
  if (w->sample[l] == j->samples) return false;
  reason why = FINE;
  if (fabs(w->h_next[l]) < least_step(w->t_next[l], span_of(j)))
    why = isfinite(w->error[l]) ? UNDERFLOW_STEP : NOT_FINITE;
  else if (w->steps[l] >= (double)j->options->max_steps)
    why = TOO_MANY;
  if (why == FINE) return true;
  fail(j, failed, why, w->trajectory[l], w->t_next[l], w->steps[l]);
  lane_give_up(j, w, l);
  return false;
}

/* Takes over the accepted steps and the next times and step sizes. */
INLINE void commit(const work *w, int64_t size, int64_t lanes) {
  const double *restrict accepted = w->accepted;
  for (int64_t d = 0; d < size; d++) {
    double *restrict y = w->y + d * lanes, *restrict k1 = w->k[0] + d * lanes;
    const double *restrict ynew = w->ynew + d * lanes;
    const double *restrict k7 = w->k[6] + d * lanes;
    for (int64_t l = 0; l < lanes; l++) {
      y[l] = accepted[l] > 0 ? ynew[l] : y[l];
      k1[l] = accepted[l] > 0 ? k7[l] : k1[l];
    }
  }
  for (int64_t l = 0; l < lanes; l++) {
    w->t[l] = w->t_next[l];
    w->h[l] = w->h_next[l];
  }
}

/* --- first steps ---------------------------------------------------------- */

/* Root mean square of a lane's numbers relative to the allowed error at y. */
INLINE double lane_norm(const job *j, const work *w, const double *x,
                        const double *minus, int64_t lanes, int64_t l) {
  double sum = 0;
  for (int64_t d = 0; d < j->field->size; d++) {
    int64_t i = d * lanes + l;
    double scale = j->options->atol + j->options->rtol * fabs(w->y[i]);
    double value = (minus ? x[i] - minus[i] : x[i]) / scale;
    /* With atol = 0, a number that is zero has no scale. */
    sum += scale > 0 ? value * value : 0;
  }
  return sqrt(sum / (double)j->field->size);
}

/* Computes f for `block` trajectories of a piece, beginning with `index`, and
 * their first steps, by the rule of Hairer, Norsett and Wanner (section II.4).
 * */
INLINE bool start_block(const job *j, const work *w, int64_t lanes,
                        int64_t first, int64_t index, int64_t block,
                        failure *failed, torus_status *status) {
  const torus_rk45_options *o = j->options;
  int64_t n = j->field->size;
  double span = span_of(j);
  for (int64_t l = 0; l < lanes; l++) {
    /* Spare lanes repeat the last trajectory. */
    int64_t at = first + index + (l < block ? l : block - 1);
    for (int64_t d = 0; d < n; d++) w->y[d * lanes + l] = j->y0[at * n + d];
    lane_constants(j->field, w, lanes, l, at);
    w->t[l] = j->times[0];
  }
  if (!field_at(j->field, w, lanes, w->t, w->y, w->k[0], status)) return false;
  for (int64_t l = 0; l < lanes; l++) {
    double size = lane_norm(j, w, w->y, NULL, lanes, l);
    double slope = lane_norm(j, w, w->k[0], NULL, lanes, l);
    double h = size < 1e-5 || slope < 1e-5 ? 1e-6 : 0.01 * size / slope;
    w->h[l] = j->direction * smaller(h, span);
    w->tstage[l] = w->t[l] + w->h[l];
    if (!isfinite(size + slope) && l < block)
      fail(j, failed, NOT_FINITE, first + index + l, w->t[l], 0);
  }
  stage_states(w, 1, 1, 0, 0, 0, 0, n, lanes);
  if (!field_at(j->field, w, lanes, w->tstage, w->ystage, w->k[1], status))
    return false;
  for (int64_t l = 0; l < block; l++) {
    double h = fabs(w->h[l]);
    double slope = lane_norm(j, w, w->k[0], NULL, lanes, l);
    double bend = lane_norm(j, w, w->k[1], w->k[0], lanes, l) / h;
    double steepest = larger(slope, bend);
    h = smaller(100 * h, steepest <= 1e-15 ? larger(1e-6, 1e-3 * h)
                                           : pow(0.01 / steepest, 0.2));
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
  int64_t next = 0, active = 0;
  for (int64_t l = 0; l < lanes; l++) {
    lane_start(j, w, lanes, l, first, next < count ? next : count - 1);
    if (next < count) {
      next++, active++;
      continue;
    }
    lane_stop(j, w, l, stats);
    w->h[l] = 0;
  }
  while (active > 0) {
    if (!torus_interrupt_check(status)) return false;
    if (!try_step(j, w, lanes, status)) return false;
    int64_t before = active;
    bool special = decide(j, w, lanes);
    if (j->options->records && !record_steps(j, w, lanes, status)) return false;
    for (int64_t l = 0; special && l < lanes; l++) {
      if (w->special[l] == 0 || lane_special(j, w, lanes, l, failed)) continue;
      lane_stop(j, w, l, stats);
      active--;
    }
    shorten(j, w, lanes);
    commit(w, j->field->size, lanes);
    for (int64_t l = 0; active < before && l < lanes && next < count; l++)
      if (w->active[l] == 0)
        lane_start(j, w, lanes, l, first, next++), active++;
  }
  return true;
}

SIMD_LOOP(void, solve_lanes,
          (const job *j, const work *w, int64_t first, int64_t count,
           failure *failed, torus_rk45_stats *stats, torus_status *status),
          (j, w, first, count, failed, stats, status)) {
  solve(j, w, TORUS_RK45_LANES, first, count, failed, stats, status);
}

static void solve_batch(const job *j, const work *w, failure *failed,
                        torus_rk45_stats *stats, torus_status *status) {
  solve(j, w, j->lanes, 0, j->count, failed, stats, status);
}

static void solve_piece(void *arg, int64_t piece, int thread) {
  const job *j = arg;
  work w = work_at(j->scratch + j->scratch_bytes * (size_t)thread, j->field,
                   j->lanes, j->piece);
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
  bool rise = times[samples - 1] >= times[0];
  for (int64_t i = 1; i < samples; i++)
    if (!(rise ? times[i] >= times[i - 1] : times[i] <= times[i - 1]))
      return torus_status_fail(
          status, TORUS_EINVAL,
          "rk45: expected times that do not fall or do not "
          "rise, got %.17g after %.17g at %lld",
          times[i], times[i - 1], (long long)i + 1);
  return true;
}

static bool report(const failure *f, torus_status *status) {
  return torus_status_fail(status, TORUS_EINVAL,
                           "rk45: trajectory %lld failed at t = %g after %lld "
                           "steps: %s",
                           (long long)f->trajectory + 1, f->t,
                           (long long)f->steps, reasons[f->reason]);
}

static bool run(job *j, int64_t pieces, torus_rk45_stats *stats,
                torus_status *status) {
  torus_parallel_interruptible(pieces, solve_piece, j);
  if (!torus_interrupt_check(status)) return false;
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
  if (times[samples - 1] == times[0]) {
    size_t bytes = sizeof(double) * (size_t)field->size;
    for (int64_t i = 0; i < count * samples; i++)
      memcpy(out + i * field->size, y0 + i / samples * field->size, bytes);
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
  int64_t numbers = work_numbers(field, j.lanes, j.piece);
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
