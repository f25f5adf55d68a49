/* Running results along one dimension: sums, products and linear recurrences;
 * and products of rows. Floats are accumulated in double. Work is divided
 * depending only on the job, so that the bits don't depend on the number of
 * threads.
 *
 * Own nothing and can't fail. float32, float64 and int64, which wraps around.
 */
#ifndef TORUS_KERNELS_SCAN_H
#define TORUS_KERNELS_SCAN_H

#include "core/dtype.h"

typedef enum torus_scan {
  TORUS_SCAN_SUM,       /* y_i = y_(i - 1) + b_i */
  TORUS_SCAN_PRODUCT,   /* y_i = y_(i - 1) b_i */
  TORUS_SCAN_RECURRENCE /* y_i = a_i y_(i - 1) + b_i, a_1 unread */
} torus_scan;

/* Arrays seen as (outer, count, inner), contiguous; reverse: from the last
 * element to the first. */
typedef struct torus_scan_job {
  torus_scan scan;
  torus_dtype dtype;
  int64_t outer, count, inner;
  bool reverse;
  const void *a, *b; /* a: of a recurrence */
  void *out;
} torus_scan_job;

void torus_scan_run(const torus_scan_job *job);

/* x: (rows, count), contiguous; out: (rows), 1 if count is 0. */
void torus_scan_row_products(torus_dtype dtype, int64_t rows, int64_t count,
                             const void *x, void *out);

#endif
