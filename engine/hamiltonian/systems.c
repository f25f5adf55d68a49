#include "hamiltonian/systems.h"

#include "core/words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/simd/simd.h"

/* Fields are called with TORUS_RK45_LANES lanes, a constant, so that every loop
 * below becomes vector code without a remainder. */
#define LANES TORUS_RK45_LANES

/* Lets gcc call the vector forms of these in glibc (libmvec). */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__)
__attribute__((simd("notinbranch"))) double sin(double);
__attribute__((simd("notinbranch"))) double cos(double);
__attribute__((simd("notinbranch"))) double exp(double);
#endif

#define FIELD(name)                                                            \
  SIMD_LOOP(bool, name,                                                        \
            (const torus_field *field, int64_t lanes,                          \
             const double *restrict constants, const double *t,                \
             const double *restrict y, double *restrict dy,                    \
             torus_status *status),                                            \
            (field, lanes, constants, t, y, dy, status))

#define UNUSED (void)field, (void)lanes, (void)t, (void)status
/* Constant number i of lane l. */
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
  /* Separate loops: gcc would merge the sine and the cosine of an angle into a
   * call of sincos, which has no vector form. */
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

FIELD(kepler) {
  UNUSED;
  for (int l = 0; l < LANES; l++) {
    double x = y[l], z = y[LANES + l];
    double square = x * x + z * z;
    double pull = CONSTANT(0) * CONSTANT(1) / (square * sqrt(square));
    dy[l] = y[2 * LANES + l] * (1 / CONSTANT(1));
    dy[LANES + l] = y[3 * LANES + l] * (1 / CONSTANT(1));
    dy[2 * LANES + l] = -pull * x;
    dy[3 * LANES + l] = -pull * z;
  }
  return true;
}

/* Pairs have 4 epsilon [(sigma/r)^12 - (sigma/r)^6], and each body
 * wall/4 (|q| - radius)^4 beyond the radius. */
FIELD(lennard_jones) {
  UNUSED;
  int n = (int)(field->size / 4);
  const double *restrict p = y + 2 * n * LANES;
  double *restrict dp = dy + 2 * n * LANES;
  for (int i = 0; i < n; i++)
    for (int l = 0; l < LANES; l++) {
      int64_t x = 2 * i * LANES + l, z = x + LANES;
      double distance = sqrt(y[x] * y[x] + y[z] * y[z]);
      double beyond = distance - CONSTANT(3);
      beyond = beyond > 0 ? beyond : 0;
      double push = CONSTANT(4) * beyond * beyond * beyond / distance;
      dy[x] = p[x] * (1 / CONSTANT(2));
      dy[z] = p[z] * (1 / CONSTANT(2));
      dp[x] = -push * y[x];
      dp[z] = -push * y[z];
    }
  for (int i = 0; i < n; i++)
    for (int j = i + 1; j < n; j++)
      for (int l = 0; l < LANES; l++) {
        int64_t a = 2 * i * LANES + l, b = 2 * j * LANES + l;
        double dx = y[b] - y[a], dz = y[b + LANES] - y[a + LANES];
        double inverse = 1 / (dx * dx + dz * dz);
        double s2 = CONSTANT(1) * CONSTANT(1) * inverse, s6 = s2 * s2 * s2;
        double push = 24 * CONSTANT(0) * (2 * s6 * s6 - s6) * inverse;
        dp[a] -= push * dx;
        dp[a + LANES] -= push * dz;
        dp[b] += push * dx;
        dp[b + LANES] += push * dz;
      }
  return true;
}

FIELD(spring_chain) {
  UNUSED;
  int n = (int)(field->size / 2);
  const double *restrict p = y + n * LANES;
  double *restrict dp = dy + n * LANES;
  for (int i = 0; i < n * LANES; i++) {
    dy[i] = p[i];
    dp[i] = 0;
  }
  /* spring i is to the left of mass i */
  for (int i = 0; i <= n; i++)
    for (int l = 0; l < LANES; l++) {
      double left = i > 0 ? y[(i - 1) * LANES + l] : 0;
      double r = (i < n ? y[i * LANES + l] : 0) - left;
      double pull = r + CONSTANT(0) * r * r + CONSTANT(1) * r * r * r;
      if (i > 0) dp[(i - 1) * LANES + l] += pull;
      if (i < n) dp[i * LANES + l] -= pull;
    }
  return true;
}

FIELD(toda) {
  UNUSED;
  (void)constants;
  int n = (int)(field->size / 2);
  const double *restrict p = y + n * LANES;
  double *restrict dp = dy + n * LANES;
  for (int i = 0; i < n * LANES; i++) {
    dy[i] = p[i];
    dp[i] = 0;
  }
  for (int i = 0; i < n; i++) {
    int next = (i + 1) % n;
    for (int l = 0; l < LANES; l++) {
      double pull = exp(y[i * LANES + l] - y[next * LANES + l]);
      dp[i * LANES + l] -= pull;
      dp[next * LANES + l] += pull;
    }
  }
  return true;
}

FIELD(charged_particle) {
  UNUSED;
  for (int l = 0; l < LANES; l++) {
    double inverse = 1 / CONSTANT(0), half = CONSTANT(1) / 2;
    double vx = (y[2 * LANES + l] + half * y[LANES + l]) * inverse;
    double vz = (y[3 * LANES + l] - half * y[l]) * inverse;
    dy[l] = vx;
    dy[LANES + l] = vz;
    dy[2 * LANES + l] = half * vz + CONSTANT(2);
    dy[3 * LANES + l] = -half * vx;
  }
  return true;
}

/* With the precession a = (p_phi - p_psi cos theta) / (i1 sin^2 theta). */
FIELD(spinning_top) {
  UNUSED;
  double sine[LANES], cosine[LANES]; /* as of double_pendulum */
  for (int l = 0; l < LANES; l++) sine[l] = sin(y[l]);
  for (int l = 0; l < LANES; l++) cosine[l] = cos(y[l]);
  for (int l = 0; l < LANES; l++) {
    double i1 = CONSTANT(0), s = sine[l], c = cosine[l];
    double p3 = y[5 * LANES + l];
    double a = (y[4 * LANES + l] - p3 * c) / (i1 * s * s);
    dy[l] = y[3 * LANES + l] / i1;
    dy[LANES + l] = a;
    dy[2 * LANES + l] = p3 / CONSTANT(1) - a * c;
    dy[3 * LANES + l] = s * (i1 * a * a * c - a * p3 + CONSTANT(2));
    dy[4 * LANES + l] = dy[5 * LANES + l] = 0;
  }
  return true;
}

FIELD(driven_pendulum) {
  UNUSED;
  for (int l = 0; l < LANES; l++) {
    double g = CONSTANT(0), m = CONSTANT(1), length = CONSTANT(2);
    dy[l] = y[LANES + l] / (m * length * length);
    dy[LANES + l] = -m * g * length * sin(y[l]);
  }
  for (int l = 0; l < LANES; l++)
    dy[LANES + l] += CONSTANT(3) * cos(CONSTANT(4) * t[l]);
  return true;
}

/* A size of 0 means any multiple of `unit`, up to TORUS_SYSTEM_MAX_BODIES of
 * them; -1 constants means one plus one for each body. */
typedef struct entry {
  const char *name;
  torus_field_fn *fn;
  int64_t size, unit;
  int64_t constants;
} entry;

static const entry entries[] = {
    {"mass_spring", mass_spring, 2, 0, 2},
    {"pendulum", pendulum, 2, 0, 3},
    {"n_body", n_body, 0, 4, -1},
    {"double_pendulum", double_pendulum, 4, 0, 5},
    {"henon_heiles", henon_heiles, 4, 0, 1},
    {"kepler", kepler, 4, 0, 2},
    {"lennard_jones", lennard_jones, 0, 4, 5},
    {"spring_chain", spring_chain, 0, 2, 2},
    {"toda", toda, 0, 2, 0},
    {"charged_particle", charged_particle, 4, 0, 3},
    {"spinning_top", spinning_top, 6, 0, 3},
    {"driven_pendulum", driven_pendulum, 2, 0, 5},
};

static const entry *find(const char *name) {
  for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
    if (strcmp(entries[i].name, name) == 0) return &entries[i];
  return NULL;
}

static bool fail_unknown(const char *name, torus_status *status) {
  char known[256] = "", hint[TORUS_WORD_TEXT];
  torus_word_search search = {.wanted = name};
  for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
    size_t used = strlen(known);
    snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "",
             entries[i].name);
    torus_word_try(&search, entries[i].name);
  }
  return torus_status_fail(status, TORUS_EINVAL,
                           "rk45: unknown vector field \"%.60s\"%s (known: %s)",
                           name, torus_word_hint(search.best, hint), known);
}

bool torus_system_field(const char *name, int64_t size, const double *constants,
                        int64_t constant_count, torus_field *field,
                        torus_status *status) {
  const entry *found = find(name);
  if (!found) return fail_unknown(name, status);
  int64_t bodies = found->unit > 0 ? size / found->unit : 0;
  int64_t wants_size = found->size > 0 ? found->size : found->unit * bodies;
  int64_t wants = found->constants >= 0 ? found->constants : 1 + bodies;
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
