/* Order along one dimension: the indices that sort, select or group elements.
 *
 * NaN counts as the largest number, -0 and 0 are equal, and sorts are stable,
 * descending ones too. Own nothing and can't fail; float32, float64 and int64.
 * Indices count from zero. */
#ifndef TORUS_KERNELS_ORDER_H
#define TORUS_KERNELS_ORDER_H

#include <stddef.h>

#include "core/dtype.h"

/* x seen as (outer, count, inner), contiguous; out: (outer, keep, inner).
 * scratch: torus_order_scratch bytes. */
typedef struct torus_order_job {
  torus_dtype dtype;
  int64_t outer, count, inner;
  int64_t keep; /* number of indices wanted for each row */
  bool descending;
  const void *x;
  int64_t *out;
  void *scratch;
} torus_order_job;

size_t torus_order_scratch(const torus_order_job *job);

/* The indices of the first `keep` elements in sorted order. */
void torus_order_sort(const torus_order_job *job);
/* keep is 1, count at least 1: the index of the lower of the middle elements;
 * of the first NaN where there is one. */
void torus_order_median(const torus_order_job *job);

/* out: (count), for each of the values the number of elements of sorted, (n),
 * that come before it; right: those equal to it as well. */
void torus_order_search(torus_dtype dtype, const void *sorted, int64_t n,
                        const void *values, int64_t count, bool right,
                        int64_t *out);

/* Groups of equal elements in sorted order; every NaN is a separate group.
 * order: what sorts the n elements of x. first, counts: (n), of which one entry
 * for each group is written, the first index and the size; inverse: (n), the
 * group of each element. Returns the number of groups. */
int64_t torus_order_groups(torus_dtype dtype, const void *x, int64_t n,
                           const int64_t *order, int64_t *first,
                           int64_t *inverse, int64_t *counts);

/* counts: (bins), set to the numbers of x's n elements in equal parts of [low,
 * high], including both ends; other elements and NaN are not counted. */
void torus_order_histogram(torus_dtype dtype, const void *x, int64_t n,
                           double low, double high, int64_t bins,
                           int64_t *counts);

#endif
