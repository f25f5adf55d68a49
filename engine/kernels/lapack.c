#include "kernels/lapack.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/intmath.h"
#include "kernels/blas.h"

/* LAPACK's blocked routines get this many columns at a time. */
#define BLOCK 32

/* Memory cut off from a workspace. */
typedef struct arena {
  char *next;
} arena;

static size_t rounded(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

static void *take(arena *a, size_t bytes) {
  void *block = a->next;
  a->next += rounded(bytes);
  return block;
}

/* Elements and ints that a routine works with beside its results. */
typedef struct needs {
  size_t elements, ints;
} needs;

/* A product whose factors may overflow on the way: mantissa 2^exponent. */
typedef struct product {
  double mantissa;
  int64_t exponent;
} product;

#define ONE ((product){1, 0})

static void multiply(product *p, double factor) {
  int of_factor, of_product;
  double mantissa = frexp(factor, &of_factor);
  if (!isfinite(factor)) mantissa = factor, of_factor = 0;
  p->mantissa = frexp(p->mantissa * mantissa, &of_product);
  p->exponent += of_factor;
  if (isfinite(p->mantissa)) p->exponent += of_product;
}

static double value_of(const product *p) {
  int64_t far = 5000; /* beyond every double */
  return ldexp(p->mantissa, (int)torus_max(-far, torus_min(far, p->exponent)));
}

#define T float
#define EPSILON FLT_EPSILON
#define FN(name) name##_f32
#define LAPACK(name) s##name##_
#define CBLAS(name) cblas_s##name
#define ABS fabsf
#include "kernels/lapack.inc"
#undef T
#undef EPSILON
#undef FN
#undef LAPACK
#undef CBLAS
#undef ABS

#define T double
#define EPSILON DBL_EPSILON
#define FN(name) name##_f64
#define LAPACK(name) d##name##_
#define CBLAS(name) cblas_d##name
#define ABS fabs
#include "kernels/lapack.inc"

size_t torus_lapack_workspace(const torus_lapack_job *job) {
  torus_blas_prepare();
  bool wide = job->dtype == TORUS_FLOAT64;
  needs n = wide ? needs_f64(job) : needs_f32(job);
  /* Each of at most 8 parts begins on a boundary of 64 bytes. */
  return rounded(n.elements * torus_dtype_size(job->dtype) +
                 n.ints * sizeof(int)) +
         8 * 64;
}

torus_lapack_outcome torus_lapack_run(const torus_lapack_job *job,
                                      const void *a, const void *b, void *out,
                                      int64_t *rank, void *workspace) {
  arena space = {workspace};
  return job->dtype == TORUS_FLOAT64 ? run_f64(job, a, b, out, rank, &space)
                                     : run_f32(job, a, b, out, rank, &space);
}
