/* The adaptive solver against SciPy's DOP853 at 1e-12, stored in
 * data/trajectories by spec/support/make_trajectories.py, and against what
 * must hold whatever the numbers: energy, order in the tolerance, bits. */
#include "hamiltonian/rk45.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/threads.h"
#include "each_isa.h"
#include "hamiltonian/systems.h"

#define COUNT 100
#define SAMPLES 31
#define DT 0.125

typedef double energy_fn(const double *y);

static double spring_energy(const double *y) {
  return y[0] * y[0] + y[1] * y[1];
}

static double pendulum_energy(const double *y) {
  return 3 * (1 - cos(y[0])) + y[1] * y[1];
}

static double gravity_energy(const double *y, int n) {
  const double *p = y + 2 * n;
  double energy = 0;
  for (int i = 0; i < 2 * n; i++) energy += p[i] * p[i] / 2;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < i; j++)
      energy -= 1 / hypot(y[2 * i] - y[2 * j], y[2 * i + 1] - y[2 * j + 1]);
  return energy;
}

static double two_energy(const double *y) { return gravity_energy(y, 2); }
static double three_energy(const double *y) { return gravity_energy(y, 3); }

static double double_energy(const double *y) {
  double c = cos(y[0] - y[1]), s = sin(y[0] - y[1]);
  double kinetic =
      (y[2] * y[2] + 2 * y[3] * y[3] - 2 * y[2] * y[3] * c) / (1 + s * s);
  return kinetic + 3 * (1 - cos(y[0])) + 1.5 * (1 - cos(y[1]));
}

static double heiles_energy(const double *y) {
  double squares = y[0] * y[0] + y[1] * y[1] + y[2] * y[2] + y[3] * y[3];
  return squares / 2 + y[1] * (y[0] * y[0] - y[1] * y[1] / 3);
}

typedef struct system {
  const char *name, *field;
  int size;
  int constant_count;
  double constants[8];
  energy_fn *energy;
} system_case;

static const system_case systems[] = {
    {"mass_spring", "mass_spring", 2, 2, {2, 0.5}, spring_energy},
    {"pendulum", "pendulum", 2, 3, {3, 0.5, 1}, pendulum_energy},
    {"two_body", "n_body", 8, 3, {1, 1, 1}, two_energy},
    {"three_body", "n_body", 12, 4, {1, 1, 1, 1}, three_energy},
    {"double_pendulum",
     "double_pendulum",
     4,
     5,
     {3, .5, .5, 1, 1},
     double_energy},
    {"henon_heiles", "henon_heiles", 4, 1, {1}, heiles_energy},
};

#define SYSTEMS (int)(sizeof systems / sizeof *systems)

static torus_status status;

static torus_field field_of(const system_case *s) {
  torus_field field;
  torus_status_clear(&status);
  if (!torus_system_field(s->field, s->size, s->constants, s->constant_count,
                          &field, &status)) {
    printf("%s\n", status.message);
    exit(1);
  }
  return field;
}

/* (COUNT, SAMPLES, size) of the stored file, whose header's length stands in
 * bytes 8 and 9. */
static double *reference(const system_case *s) {
  char path[256];
  unsigned char head[10];
  snprintf(path, sizeof path, "data/trajectories/%s.npy", s->name);
  FILE *file = fopen(path, "rb");
  size_t numbers = (size_t)COUNT * SAMPLES * s->size;
  double *states = malloc(numbers * sizeof *states);
  if (!file || fread(head, 1, 10, file) != 10 ||
      fseek(file, 10 + head[8] + 256 * head[9], SEEK_SET) != 0 ||
      fread(states, sizeof *states, numbers, file) != numbers) {
    printf("cannot read %s (run from the repository's root)\n", path);
    exit(1);
  }
  fclose(file);
  return states;
}

static double *starts(const system_case *s, const double *states) {
  double *y0 = malloc(sizeof *y0 * COUNT * s->size);
  for (int i = 0; i < COUNT; i++)
    memcpy(y0 + i * s->size, states + i * SAMPLES * s->size,
           sizeof *y0 * s->size);
  return y0;
}

static void sample_times(double *times) {
  for (int i = 0; i < SAMPLES; i++) times[i] = DT * i;
}

static double *solution(const system_case *s, const double *y0,
                        const torus_rk45_options *options,
                        torus_rk45_stats *stats) {
  torus_field field = field_of(s);
  double times[SAMPLES];
  double *out = malloc(sizeof *out * COUNT * SAMPLES * s->size);
  sample_times(times);
  if (!torus_rk45_solve(&field, COUNT, y0, SAMPLES, times, out, options, stats,
                        &status)) {
    printf("%s: %s\n", s->name, status.message);
    exit(1);
  }
  return out;
}

static double largest_difference(const double *a, const double *b, int n) {
  double most = 0;
  for (int i = 0; i < n; i++) most = fmax(most, fabs(a[i] - b[i]));
  return most;
}

static double largest_drift(const system_case *s, const double *states) {
  double most = 0;
  for (int i = 0; i < COUNT; i++) {
    const double *at = states + i * SAMPLES * s->size;
    double start = s->energy(at);
    for (int t = 1; t < SAMPLES; t++) {
      double now = s->energy(at + t * s->size);
      most = fmax(most, fabs((now - start) / start));
    }
  }
  return most;
}

TEST(equals_scipy_and_keeps_the_energy) {
  for (int i = 0; i < SYSTEMS; i++) {
    const system_case *s = &systems[i];
    double *want = reference(s), *y0 = starts(s, want);
    torus_rk45_options options = torus_rk45_defaults();
    torus_rk45_stats stats;
    double *got = solution(s, y0, &options, &stats);
    double error = largest_difference(want, got, COUNT * SAMPLES * s->size);
    double drift = largest_drift(s, got);
    CHECK(error < 1e-8, "%s: %g", s->name, error);
    CHECK(drift < 1e-9, "%s: %g", s->name, drift);
    if (getenv("VERBOSE"))
      printf("%-16s error %.2e drift %.2e (reference %.2e) steps %.1f + %.1f\n",
             s->name, error, drift, largest_drift(s, want),
             (double)stats.steps / COUNT, (double)stats.rejected / COUNT);
    free(want), free(y0), free(got);
  }
}

/* y' = y (1 - y) sin t from y(0) = 1/2: y = 1/(1 + exp(cos t - 1)). */
static bool known_field(const torus_field *field, int64_t lanes,
                        const double *constants, const double *t,
                        const double *y, double *dy, torus_status *status) {
  (void)field, (void)constants, (void)status;
  for (int64_t l = 0; l < lanes; l++) dy[l] = y[l] * (1 - y[l]) * sin(t[l]);
  return true;
}

TEST(follows_a_field_that_depends_on_time_with_interpolated_samples) {
  torus_field field = {.fn = known_field, .size = 1};
  torus_rk45_options options = torus_rk45_defaults();
  torus_rk45_stats stats;
  double y0 = 0.5, times[2001], out[2001], most = 0;
  for (int i = 0; i <= 2000; i++) times[i] = 0.005 * i;
  torus_status_clear(&status);
  CHECK(torus_rk45_solve(&field, 1, &y0, 2001, times, out, &options, &stats,
                         &status),
        "%s", status.message);
  for (int i = 0; i <= 2000; i++)
    most = fmax(most, fabs(out[i] - 1 / (1 + exp(cos(times[i]) - 1))));
  CHECK(most < 1e-8, "%g", most);
  CHECK(stats.steps < 1000, "%lld steps", (long long)stats.steps);
}

TEST(error_falls_with_the_tolerance) {
  /* A method of order 5 with error control of order 5 per step: the error is
   * about proportional to the tolerance. */
  const system_case *s = &systems[1];
  double *want = reference(s), *y0 = starts(s, want), last = 0;
  for (int i = 4; i <= 10; i += 2) {
    torus_rk45_options options = torus_rk45_defaults();
    options.rtol = options.atol = pow(10, -i);
    double *got = solution(s, y0, &options, NULL);
    double error = largest_difference(want, got, COUNT * SAMPLES * s->size);
    CHECK(error < 100 * options.rtol, "%g at %g", error, options.rtol);
    CHECK(i == 4 || error < last / 30, "%g after %g", error, last);
    last = error;
    free(got);
  }
  free(want), free(y0);
}

TEST(returns_when_time_runs_backward) {
  for (int i = 0; i < SYSTEMS; i++) {
    const system_case *s = &systems[i];
    double *want = reference(s), *y0 = malloc(sizeof *y0 * COUNT * s->size);
    double times[2] = {DT * (SAMPLES - 1), 0}, most = 0;
    for (int n = 0; n < COUNT; n++)
      memcpy(y0 + n * s->size, want + (n * SAMPLES + SAMPLES - 1) * s->size,
             sizeof *y0 * s->size);
    double *out = malloc(sizeof *out * COUNT * 2 * s->size);
    torus_field field = field_of(s);
    torus_rk45_options options = torus_rk45_defaults();
    CHECK(torus_rk45_solve(&field, COUNT, y0, 2, times, out, &options, NULL,
                           &status),
          "%s", status.message);
    for (int n = 0; n < COUNT; n++)
      most =
          fmax(most, largest_difference(out + (2 * n + 1) * s->size,
                                        want + n * SAMPLES * s->size, s->size));
    CHECK(most < 1e-8, "%s: %g", s->name, most);
    free(want), free(y0), free(out);
  }
}

TEST(bits_do_not_depend_on_threads_or_position) {
  enum { MANY = 700 };
  const system_case *s = &systems[3];
  torus_field field = field_of(s);
  torus_rk45_options options = torus_rk45_defaults();
  double *states = reference(s), *first = starts(s, states);
  double times[SAMPLES];
  size_t row = sizeof(double) * SAMPLES * s->size;
  double *y0 = malloc(sizeof *y0 * MANY * s->size), *out[2];
  sample_times(times);
  for (int n = 0; n < MANY; n++)
    memcpy(y0 + n * s->size, first + n % COUNT * s->size, sizeof *y0 * s->size);
  int threads = torus_threads();
  for (int i = 0; i < 2; i++) {
    out[i] = malloc(row * MANY);
    torus_set_threads(i == 0 ? 1 : 3);
    CHECK(torus_rk45_solve(&field, MANY, y0, SAMPLES, times, out[i], &options,
                           NULL, &status),
          "%s", status.message);
  }
  torus_set_threads(threads);
  CHECK(memcmp(out[0], out[1], row * MANY) == 0, "threads change the bits");
  int moved = 0;
  for (int n = COUNT; n < MANY; n++)
    moved += memcmp((char *)out[0] + n % COUNT * row, (char *)out[0] + n * row,
                    row) != 0;
  CHECK(moved == 0, "%d of %d differ by their place", moved, MANY - COUNT);
  double *alone = malloc(row);
  CHECK(torus_rk45_solve(&field, 1, y0 + 17 * s->size, SAMPLES, times, alone,
                         &options, NULL, &status),
        "%s", status.message);
  CHECK(memcmp(alone, (char *)out[0] + 17 * row, row) == 0,
        "alone it has other bits");
  free(states), free(first), free(y0), free(alone);
  free(out[0]), free(out[1]);
}

/* Solves n copies of a fall of two bodies onto each other from rest, the
 * others being circular orbits. */
static bool fall(int n, int which, const torus_rk45_options *options) {
  const system_case *s = &systems[2];
  const double orbit[8] = {1, 0, -1, 0, 0, 0.5, 0, -0.5};
  torus_field field = field_of(s);
  double times[2] = {0, 3}, *y0 = calloc(n, sizeof orbit);
  double *out = malloc(sizeof orbit * 2 * n);
  for (int i = 0; i < n; i++)
    memcpy(y0 + 8 * i, orbit, sizeof orbit / (i == which ? 2 : 1));
  bool ok =
      torus_rk45_solve(&field, n, y0, 2, times, out, options, NULL, &status);
  free(y0), free(out);
  return ok;
}

TEST(names_the_trajectory_that_fails) {
  torus_rk45_options options = torus_rk45_defaults();
  CHECK(fall(600, -1, &options), "%s", status.message);
  CHECK(!fall(600, 411, &options), "a collision went through");
  CHECK(strstr(status.message, "trajectory 412 failed at t = 2.22") &&
            strstr(status.message, "a collision or a singularity?"),
        "%s", status.message);
  options.max_steps = 20;
  CHECK(!fall(3, -1, &options), "20 steps sufficed");
  CHECK(strstr(status.message, "trajectory 1 failed at t = ") &&
            strstr(status.message, "after 20 steps: it needs more than"),
        "%s", status.message);
}

TEST(refuses_a_state_that_is_not_finite) {
  const system_case *s = &systems[1];
  torus_field field = field_of(s);
  torus_rk45_options options = torus_rk45_defaults();
  double y0[6] = {1, 0, 1, (double)NAN, 1, 0}, times[2] = {0, 1}, out[12];
  CHECK(
      !torus_rk45_solve(&field, 3, y0, 2, times, out, &options, NULL, &status),
      "NaN went through");
  CHECK(strstr(status.message, "trajectory 2 failed at t = 0 after 0 steps: "
                               "its vector field is not finite"),
        "%s", status.message);
}

static bool attempt(const double *times, int samples,
                    torus_rk45_options options) {
  torus_field field = field_of(&systems[0]);
  double y0[2] = {1, 0}, out[16];
  return torus_rk45_solve(&field, 1, y0, samples, times, out, &options, NULL,
                          &status);
}

TEST(checks_times_and_options) {
  torus_rk45_options good = torus_rk45_defaults(), bad;
  CHECK(!attempt((double[]){0, 2, 1}, 3, good) &&
            strstr(status.message, "or do not rise, got 1 after 2"),
        "%s", status.message);
  CHECK(!attempt((double[]){0, (double)INFINITY}, 2, good) &&
            strstr(status.message, "finite times, got inf at 2"),
        "%s", status.message);
  CHECK(!attempt(NULL, 0, good), "no times");
  CHECK(attempt((double[]){5}, 1, good), "%s", status.message);
  CHECK(attempt((double[]){0, 0, 1, 1}, 4, good), "%s", status.message);
  bad = good, bad.rtol = -1;
  CHECK(!attempt((double[]){0, 1}, 2, bad), "negative rtol");
  bad = good, bad.rtol = bad.atol = 0;
  CHECK(!attempt((double[]){0, 1}, 2, bad), "no tolerance");
  bad = good, bad.max_step = (double)NAN;
  CHECK(!attempt((double[]){0, 1}, 2, bad), "NaN step");
  bad = good, bad.max_steps = 0;
  CHECK(!attempt((double[]){0, 1}, 2, bad), "no steps");
}

TEST(checks_names_sizes_and_constants_of_systems) {
  torus_field field;
  double c[4] = {1, 1, 1, 1};
#define REFUSED(name, size, constants, words)                                  \
  torus_status_clear(&status);                                                 \
  CHECK(!torus_system_field(name, size, c, constants, &field, &status) &&      \
            strstr(status.message, words),                                     \
        "%s", status.message)
  REFUSED("planets", 2, 1, "unknown vector field \"planets\"");
  REFUSED("pendulum", 4, 3, "expected states of 2 numbers, got 4");
  REFUSED("pendulum", 2, 2, "expected 3 constants, got 2");
  REFUSED("n_body", 10, 3, "expected states of 8 numbers, got 10");
  REFUSED("n_body", 8, 4, "expected 3 constants, got 4");
  REFUSED("n_body", 4 * 65, 66, "1 to 64 bodies");
#undef REFUSED
}

/* Counts its calls and fails at the one that context asks for. */
static bool failing_field(const torus_field *field, int64_t lanes,
                          const double *constants, const double *t,
                          const double *y, double *dy, torus_status *state) {
  (void)constants, (void)t;
  int *left = field->context;
  if (--*left == 0)
    return torus_status_fail(state, TORUS_EINVAL, "H: out of luck");
  for (int64_t i = 0; i < lanes; i++) dy[i] = -y[i];
  return true;
}

TEST(calls_a_whole_batch_field_with_all_and_passes_its_error_on) {
  double y0[5] = {1, 2, 3, 4, 5}, times[2] = {0, 1}, out[10];
  torus_rk45_options options = torus_rk45_defaults();
  int left = -1;
  torus_field field = {
      .fn = failing_field, .size = 1, .whole_batch = true, .context = &left};
  torus_status_clear(&status);
  CHECK(torus_rk45_solve(&field, 5, y0, 2, times, out, &options, NULL, &status),
        "%s", status.message);
  for (int i = 0; i < 5; i++)
    CHECK(fabs(out[2 * i + 1] - (i + 1) * exp(-1)) < 1e-9, "%g",
          out[2 * i + 1]);
  for (int at = 1; at < 30; at += 7) {
    left = at;
    torus_status_clear(&status);
    CHECK(!torus_rk45_solve(&field, 5, y0, 2, times, out, &options, NULL,
                            &status) &&
              strcmp(status.message, "H: out of luck") == 0,
          "%s", status.message);
  }
}

TEST(survives_every_failing_allocation) {
  size_t live = torus_alloc_get_stats().live_bytes;
  for (int n = 1; n <= 5; n++) {
    torus_alloc_fail_nth(n);
    bool ok = attempt((double[]){0, 1}, 2, torus_rk45_defaults());
    torus_alloc_fail_nth(0);
    CHECK(ok == (n == 5) && (ok || status.code == TORUS_ENOMEM), "%d: %s", n,
          status.message);
  }
  CHECK(torus_alloc_get_stats().live_bytes == live, "leaks");
}

int main(void) {
  RUN_EACH_ISA(equals_scipy_and_keeps_the_energy);
  RUN(follows_a_field_that_depends_on_time_with_interpolated_samples);
  RUN(error_falls_with_the_tolerance);
  RUN_EACH_ISA(returns_when_time_runs_backward);
  RUN_EACH_ISA(bits_do_not_depend_on_threads_or_position);
  RUN(names_the_trajectory_that_fails);
  RUN(refuses_a_state_that_is_not_finite);
  RUN(checks_times_and_options);
  RUN(checks_names_sizes_and_constants_of_systems);
  RUN(calls_a_whole_batch_field_with_all_and_passes_its_error_on);
  RUN(survives_every_failing_allocation);
  return check_report();
}
