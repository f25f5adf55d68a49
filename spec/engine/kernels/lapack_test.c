/* LAPACK routines within the workspace that they ask for, and what they say of
 * matrices without a result. Values are checked from Lua. */
#include "kernels/lapack.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

#define GUARD 64

static uint64_t state;

static double uniform(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(int64_t)(state >> 11) / 4503599627370496.0 - 1;
}

static void fill(torus_dtype dtype, void *x, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    if (dtype == TORUS_FLOAT64) {
      ((double *)x)[i] = uniform();
    } else {
      ((float *)x)[i] = (float)uniform();
    }
  }
}

/* What a routine returns of random matrices; b == a where it has one, and the
 * bytes behind workspace and result are left alone. */
static torus_lapack_outcome outcome_of(torus_lapack_job job) {
  int64_t a_count = (int64_t)job.m * job.n, b_count = (int64_t)job.m * job.k;
  int64_t r = job.m < job.n ? job.m : job.n;
  int64_t out_count = (job.m + job.n + 1) * r + (int64_t)job.n * job.k + 2;
  size_t width = torus_dtype_size(job.dtype);
  size_t space = torus_lapack_workspace(&job);
  void *a = malloc((size_t)a_count * width + 1);
  void *b = malloc((size_t)b_count * width + 1);
  char *out = malloc((size_t)out_count * width + GUARD);
  char *workspace = aligned_alloc(64, space + GUARD);
  fill(job.dtype, a, a_count);
  fill(job.dtype, b, b_count);
  memset(workspace + space, 77, GUARD);
  memset(out + (size_t)out_count * width, 77, GUARD);
  int64_t rank = -1;
  torus_lapack_outcome outcome =
      torus_lapack_run(&job, a, b, out, &rank, workspace);
  for (int i = 0; i < GUARD; i++) {
    CHECK(workspace[space + (size_t)i] == 77, "routine %d, (%d,%d)",
          job.routine, job.m, job.n);
    CHECK(out[(size_t)out_count * width + (size_t)i] == 77,
          "routine %d, (%d,%d)", job.routine, job.m, job.n);
  }
  free(a);
  free(b);
  free(out);
  free(workspace);
  return outcome;
}

TEST(stay_within_their_workspace) {
  state = 1;
  static const int sizes[] = {0, 1, 2, 3, 7, 33, 65, 100};
  static const torus_dtype dtypes[] = {TORUS_FLOAT32, TORUS_FLOAT64};
  for (int d = 0; d < 2; d++) {
    for (int routine = 0; routine <= TORUS_LAPACK_LSTSQ; routine++) {
      for (int i = 0; i < 8; i++) {
        bool any = routine >= TORUS_LAPACK_SVD;
        for (int j = any ? 0 : i; j < (any ? 8 : i + 1); j++) {
          torus_lapack_outcome outcome =
              outcome_of((torus_lapack_job){.routine = routine,
                                            .dtype = dtypes[d],
                                            .m = sizes[i],
                                            .n = sizes[j],
                                            .k = sizes[j] % 5,
                                            .rcond = 1e-6});
          CHECK(outcome == TORUS_LAPACK_OK || routine == TORUS_LAPACK_CHOLESKY,
                "routine %d, (%d,%d): %d", routine, sizes[i], sizes[j],
                outcome);
        }
      }
    }
  }
}

static torus_lapack_outcome outcome_for(torus_lapack_routine routine,
                                        const double *a) {
  torus_lapack_job job = {
      .routine = routine, .dtype = TORUS_FLOAT64, .m = 2, .n = 2, .k = 1};
  double b[2] = {1, 1}, out[16];
  int64_t rank;
  void *workspace = aligned_alloc(64, torus_lapack_workspace(&job));
  torus_lapack_outcome outcome =
      torus_lapack_run(&job, a, b, out, &rank, workspace);
  free(workspace);
  return outcome;
}

TEST(name_what_is_wrong) {
  static const double one[] = {1, 1, 1, 1}, scaled[] = {1e-30, 0, 0, 1e30},
                      nan[] = {1, NAN, 0, 1}, infinite[] = {INFINITY, 0, 0, 1},
                      negative[] = {1, 2, 2, 1}, zero[] = {0, 5, 1, 0};
  CHECK(outcome_for(TORUS_LAPACK_SOLVE, one) == TORUS_LAPACK_SINGULAR, " ");
  CHECK(outcome_for(TORUS_LAPACK_INVERSE, one) == TORUS_LAPACK_SINGULAR, " ");
  CHECK(outcome_for(TORUS_LAPACK_SOLVE, scaled) == TORUS_LAPACK_OK, " ");
  CHECK(outcome_for(TORUS_LAPACK_SOLVE, nan) == TORUS_LAPACK_OK, " ");
  CHECK(outcome_for(TORUS_LAPACK_SOLVE, infinite) == TORUS_LAPACK_OK, " ");
  CHECK(outcome_for(TORUS_LAPACK_SOLVE, zero) == TORUS_LAPACK_OK, " ");
  CHECK(outcome_for(TORUS_LAPACK_TRIANGULAR, zero) == TORUS_LAPACK_SINGULAR,
        " ");
  CHECK(outcome_for(TORUS_LAPACK_CHOLESKY, negative) == TORUS_LAPACK_INDEFINITE,
        " ");
  CHECK(outcome_for(TORUS_LAPACK_EIGH, nan) == TORUS_LAPACK_NOT_FINITE, " ");
  CHECK(outcome_for(TORUS_LAPACK_SVD, infinite) == TORUS_LAPACK_NOT_FINITE,
        " ");
  CHECK(outcome_for(TORUS_LAPACK_LSTSQ, nan) == TORUS_LAPACK_NOT_FINITE, " ");
}

int main(void) {
  RUN(stay_within_their_workspace);
  RUN(name_what_is_wrong);
  return check_report();
}
