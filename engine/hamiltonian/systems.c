#include "hamiltonian/systems.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/simd/simd.h"

/* Fields are called with TORUS_RK45_LANES lanes, a constant that makes every
 * loop below vector code without a remainder. */
#define LANES TORUS_RK45_LANES

/* glibc has vector forms of these (libmvec), and this lets gcc call them. */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__)
__attribute__((simd("notinbranch"))) double sin(double);
__attribute__((simd("notinbranch"))) double cos(double);
#endif

#define FIELD(name)                                                            \
  SIMD_LOOP(bool, name,                                                        \
            (const torus_field *field, int64_t lanes,                          \
             const double *restrict constants, const double *t,                \
             const double *restrict y, double *restrict dy,                    \
             torus_status *status),                                            \
            (field, lanes, constants, t, y, dy, status))

#define UNUSED (void)field, (void)lanes, (void)t, (void)status
/* Number i of the constants of lane l. */
#define CONSTANT(i) constants[(i)*LANES + l]

FIELD(mass_spring) {
  UNUSED;
  for (int l = 0; l < LANES; l++) {
    dy[l] = y[LANES + l] * (1 / CONSTANT(1));
    dy[LANES + l] = -CONSTANT(0) * y[l];
  }
  return true;
}

FIELD(pendulum) {
  UNUSED;
  for (int l = 0; l < LANES; l++) {
    double g = CONSTANT(0), m = CONSTANT(1), length = CONSTANT(2);
    double inverse = 1 / (m * length * length), weight = 2 * m * g * length;
    dy[l] = y[LANES + l] * inverse;
    dy[LANES + l] = -weight * sin(y[l]);
  }
  return true;
}

FIELD(n_body) {
  UNUSED;
  int n = (int)(field->size / 4);
  const double *m = constants + LANES;
  const double *restrict p = y + 2 * n * LANES;
  double *restrict dp = dy + 2 * n * LANES;
  for (int i = 0; i < 2 * n; i++)
    for (int l = 0; l < LANES; l++) {
      dy[i * LANES + l] = p[i * LANES + l] * (1 / m[i / 2 * LANES + l]);
      dp[i * LANES + l] = 0;
    }
  for (int i = 0; i < n; i++)
    for (int j = i + 1; j < n; j++) {
      const double *a = y + 2 * i * LANES, *b = y + 2 * j * LANES;
      double *fa = dp + 2 * i * LANES, *fb = dp + 2 * j * LANES;
      for (int l = 0; l < LANES; l++) {
        double strength = CONSTANT(0) * m[i * LANES + l] * m[j * LANES + l];
        double dx = b[l] - a[l], dz = b[LANES + l] - a[LANES + l];
        double square = dx * dx + dz * dz;
        double pull = strength / (square * sqrt(square));
        fa[l] += pull * dx;
        fa[LANES + l] += pull * dz;
        fb[l] -= pull * dx;
        fb[LANES + l] -= pull * dz;
      }
    }
  return true;
}

/* With s = sin(q1 - q2), c = cos(q1 - q2) and f = m1 + m2 s^2,
 *   H = [m2 l2^2 p1^2 + (m1 + m2) l1^2 p2^2 - 2 m2 l1 l2 p1 p2 c]
 *         / (2 m2 l1^2 l2^2 f)
 *       + (m1 + m2) g l1 (1 - cos q1) + m2 g l2 (1 - cos q2). */
FIELD(double_pendulum) {
  UNUSED;
  /* Loops of their own: gcc would join a sine and a cosine of one angle to
   * a call of sincos, which has no vector form. */
  double sine[LANES], cosine[LANES];
  for (int l = 0; l < LANES; l++) sine[l] = sin(y[l] - y[LANES + l]);
  for (int l = 0; l < LANES; l++) cosine[l] = cos(y[l] - y[LANES + l]);
  for (int l = 0; l < LANES; l++) {
    double g = CONSTANT(0), m1 = CONSTANT(1), m2 = CONSTANT(2);
    double l1 = CONSTANT(3), l2 = CONSTANT(4), m = m1 + m2;
    double a = m2 * l2 * l2, b = m * l1 * l1, e = m2 * l1 * l2;
    double scale = 1 / (m2 * l1 * l1 * l2 * l2);
    double q1 = y[l], q2 = y[LANES + l];
    double p1 = y[2 * LANES + l], p2 = y[3 * LANES + l];
    double s = sine[l], c = cosine[l];
    double f = scale / (m1 + m2 * s * s);
    double v1 = (a * p1 - e * c * p2) * f;
    double v2 = (b * p2 - e * c * p1) * f;
    /* dT/dq1 = -dT/dq2, through c and f alone; T = (p1 v1 + p2 v2)/2. */
    double slope =
        e * p1 * p2 * s * f - (p1 * v1 + p2 * v2) * m2 * s * c * f / scale;
    dy[l] = v1;
    dy[LANES + l] = v2;
    dy[2 * LANES + l] = -slope - m * g * l1 * sin(q1);
    dy[3 * LANES + l] = slope - m2 * g * l2 * sin(q2);
  }
  return true;
}

FIELD(henon_heiles) {
  UNUSED;
  for (int l = 0; l < LANES; l++) {
    double c = CONSTANT(0);
    double x = y[l], z = y[LANES + l];
    dy[l] = y[2 * LANES + l];
    dy[LANES + l] = y[3 * LANES + l];
    dy[2 * LANES + l] = -x - 2 * c * x * z;
    dy[3 * LANES + l] = -z - c * (x * x - z * z);
  }
  return true;
}

typedef struct entry {
  const char *name;
  torus_field_fn *fn;
  int64_t size; /* 0: 4 for each body */
  int64_t constants;
} entry;

static const entry entries[] = {
    {"mass_spring", mass_spring, 2, 2},
    {"pendulum", pendulum, 2, 3},
    {"n_body", n_body, 0, 0},
    {"double_pendulum", double_pendulum, 4, 5},
    {"henon_heiles", henon_heiles, 4, 1},
};

static const entry *find(const char *name) {
  for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
    if (strcmp(entries[i].name, name) == 0) return &entries[i];
  return NULL;
}

static bool fail_unknown(const char *name, torus_status *status) {
  char known[256] = "";
  for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
    size_t used = strlen(known);
    snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "",
             entries[i].name);
  }
  return torus_status_fail(status, TORUS_EINVAL,
                           "rk45: unknown vector field \"%s\" (known: %s)",
                           name, known);
}

bool torus_system_field(const char *name, int64_t size, const double *constants,
                        int64_t constant_count, torus_field *field,
                        torus_status *status) {
  const entry *found = find(name);
  if (!found) return fail_unknown(name, status);
  int64_t bodies = size / 4;
  int64_t wants_size = found->size > 0 ? found->size : 4 * bodies;
  int64_t wants = found->size > 0 ? found->constants : 1 + bodies;
  if (found->size == 0 && (bodies < 1 || bodies > TORUS_SYSTEM_MAX_BODIES))
    return torus_status_fail(status, TORUS_EINVAL,
                             "rk45: %s: expected states of 1 to %d bodies, "
                             "got %lld numbers",
                             name, TORUS_SYSTEM_MAX_BODIES, (long long)size);
  if (size != wants_size)
    return torus_status_fail(status, TORUS_EINVAL,
                             "rk45: %s: expected states of %lld numbers, got "
                             "%lld",
                             name, (long long)wants_size, (long long)size);
  if (constant_count != wants)
    return torus_status_fail(status, TORUS_EINVAL,
                             "rk45: %s: expected %lld constants, got %lld",
                             name, (long long)wants, (long long)constant_count);
  *field = (torus_field){.fn = found->fn,
                         .size = size,
                         .constants = constants,
                         .constant_count = constant_count};
  return true;
}
