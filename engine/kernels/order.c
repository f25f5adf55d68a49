#include "kernels/order.h"

#include "core/intmath.h"
#include "core/threads.h"

#include <math.h>
#include <string.h>

/* Number of elements sorted by insertion before runs are merged, and
 * approximate number of elements in a thread's piece. */
#define RUN 8
#define PIECE 8192

/* Rows from this length on are sorted by digits of their keys. */
#define DIGIT_BITS 11
#define BUCKETS (1 << DIGIT_BITS)
#define DIGITS ((64 + DIGIT_BITS - 1) / DIGIT_BITS)
#define LONG (2 * BUCKETS)

typedef struct item {
  uint64_t key; /* unsigned numbers in the order of the elements */
  int64_t index;
} item;

#define SIGN ((uint64_t)1 << 63)

static uint64_t key_of_double(double x) {
  uint64_t bits;
  if (x != x) return UINT64_MAX;
  if (x == 0) return SIGN; /* either zero */
  memcpy(&bits, &x, sizeof bits);
  return bits ^ (-(bits >> 63) | SIGN); /* negative: all bits turn */
}

/* In the upper half of the bits, so that fewer digits differ. */
static uint64_t key_of_float(float x) {
  uint32_t bits;
  if (x != x) return UINT64_MAX;
  if (x == 0) return SIGN;
  memcpy(&bits, &x, sizeof bits);
  return (uint64_t)(bits ^ (-(bits >> 31) | 1u << 31)) << 32;
}

static uint64_t key_of(torus_dtype dtype, const void *x, int64_t i) {
  if (dtype == TORUS_FLOAT32) return key_of_float(((const float *)x)[i]);
  if (dtype == TORUS_FLOAT64) return key_of_double(((const double *)x)[i]);
  return (uint64_t)((const int64_t *)x)[i] ^ SIGN;
}

static bool before(item a, item b) {
  return a.key < b.key || (a.key == b.key && a.index < b.index);
}

static void insertion(item *a, int64_t n) {
  for (int64_t i = 1; i < n; i++) {
    item x = a[i];
    int64_t k = i;
    for (; k > 0 && before(x, a[k - 1]); k--) a[k] = a[k - 1];
    a[k] = x;
  }
}

static void merge(const item *a, int64_t m, const item *b, int64_t n,
                  item *out) {
  int64_t i = 0, k = 0;
  while (i < m && k < n) *out++ = before(b[k], a[i]) ? b[k++] : a[i++];
  memcpy(out, a + i, (size_t)(m - i) * sizeof *a);
  memcpy(out + (m - i), b + k, (size_t)(n - k) * sizeof *b);
}

static int digit(uint64_t key, int d) {
  return (int)(key >> (d * DIGIT_BITS)) & (BUCKETS - 1);
}

/* By the lowest digit first; entries with the same digit keep their order, so
 * that in the end the indices of equal keys ascend as they did. A digit that
 * all keys share needs no pass. */
static item *sort_by_digits(item *a, item *b, int64_t n) {
  static _Thread_local int64_t counts[DIGITS][BUCKETS];
  memset(counts, 0, sizeof counts);
  for (int64_t i = 0; i < n; i++) {
    for (int d = 0; d < DIGITS; d++) counts[d][digit(a[i].key, d)]++;
  }
  for (int d = 0; d < DIGITS; d++) {
    int64_t *at = counts[d], sum = 0;
    if (at[digit(a[0].key, d)] == n) continue;
    for (int k = 0; k < BUCKETS; k++) {
      int64_t count = at[k];
      at[k] = sum;
      sum += count;
    }
    for (int64_t i = 0; i < n; i++) b[at[digit(a[i].key, d)]++] = a[i];
    item *swap = a;
    a = b;
    b = swap;
  }
  return a;
}

/* Sorts a, whose indices ascend, with b of the same size as workspace; returns
 * which of the two has the result. */
static item *sort(item *a, item *b, int64_t n) {
  if (n >= LONG) return sort_by_digits(a, b, n);
  for (int64_t i = 0; i < n; i += RUN) insertion(a + i, torus_min(RUN, n - i));
  for (int64_t run = RUN; run < n; run *= 2) {
    for (int64_t i = 0; i < n; i += 2 * run) {
      int64_t left = torus_min(run, n - i);
      int64_t right = torus_min(run, n - i - left);
      merge(a + i, left, a + i + left, right, b + i);
    }
    item *swap = a;
    a = b;
    b = swap;
  }
  return a;
}

/* The entry at position k of sorted a, which is left in another order: the
 * entries that share the highest digit with it, of these those that share the
 * next, and so on. */
static item entry_at(item *a, int64_t n, int64_t k) {
  static _Thread_local int64_t counts[BUCKETS];
  for (int d = DIGITS - 1; d >= 0 && n > RUN; d--) {
    memset(counts, 0, sizeof counts);
    for (int64_t i = 0; i < n; i++) counts[digit(a[i].key, d)]++;
    int bucket = 0;
    while (k >= counts[bucket]) k -= counts[bucket++];
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++) {
      if (digit(a[i].key, d) == bucket) a[kept++] = a[i];
    }
    n = kept;
  }
  if (n <= RUN) insertion(a, n);
  return a[k];
}

/* Restores the heap below position i: no entry comes after its parent. */
static void sift(item *heap, int64_t n, int64_t i) {
  for (int64_t child; (child = 2 * i + 1) < n; i = child) {
    if (child + 1 < n && before(heap[child], heap[child + 1])) child++;
    if (!before(heap[i], heap[child])) return;
    item swap = heap[i];
    heap[i] = heap[child];
    heap[child] = swap;
  }
}

/* Puts the `keep` first of n entries to the front, in any order: a heap of the
 * best so far, the last of them on top. */
static void select_first(item *a, int64_t n, int64_t keep) {
  if (keep == 0) return;
  for (int64_t i = keep / 2; i-- > 0;) sift(a, keep, i);
  for (int64_t i = keep; i < n; i++) {
    if (!before(a[i], a[0])) continue;
    a[0] = a[i];
    sift(a, keep, 0);
  }
}

/* --- rows --- */

static int64_t rows_per_piece(const torus_order_job *job) {
  return torus_max(PIECE / torus_max(job->count, 1), 1);
}

static int64_t pieces_of(const torus_order_job *job) {
  return torus_ceil_div(job->outer * job->inner, rows_per_piece(job));
}

/* No more threads than pieces take part. */
size_t torus_order_scratch(const torus_order_job *job) {
  int64_t threads = torus_min(torus_threads(), pieces_of(job));
  return (size_t)threads * 2 * (size_t)job->count * sizeof(item);
}

static item *load(const torus_order_job *j, int64_t row, int thread) {
  item *a = (item *)j->scratch + 2 * j->count * thread;
  int64_t from = row / j->inner * j->count * j->inner + row % j->inner;
  for (int64_t i = 0; i < j->count; i++) {
    uint64_t key = key_of(j->dtype, j->x, from + i * j->inner);
    a[i] = (item){j->descending ? ~key : key, i};
  }
  return a;
}

static int64_t *result(const torus_order_job *j, int64_t row) {
  return j->out + row / j->inner * j->keep * j->inner + row % j->inner;
}

static void sort_row(const torus_order_job *j, int64_t row, int thread) {
  item *a = load(j, row, thread);
  int64_t *out = result(j, row);
  /* A heap is faster for few elements; it leaves them in any order. */
  bool few = j->keep < torus_min(j->count / 4, LONG);
  if (few) select_first(a, j->count, j->keep);
  int64_t sorted = few ? j->keep : j->count;
  a = sort(a, a + j->count, sorted);
  for (int64_t i = 0; i < j->keep; i++) out[i * j->inner] = a[i].index;
}

static void median_row(const torus_order_job *j, int64_t row, int thread) {
  item *a = load(j, row, thread);
  for (int64_t i = 0; i < j->count; i++) {
    if (a[i].key != UINT64_MAX || j->dtype == TORUS_INT64) continue;
    *result(j, row) = i;
    return;
  }
  *result(j, row) = entry_at(a, j->count, (j->count - 1) / 2).index;
}

typedef struct row_cut {
  const torus_order_job *job;
  int64_t rows, rows_per_piece;
  void (*run)(const torus_order_job *, int64_t row, int thread);
} row_cut;

static void run_piece(void *arg, int64_t piece, int thread) {
  const row_cut *c = arg;
  int64_t first = piece * c->rows_per_piece;
  int64_t last = torus_min(first + c->rows_per_piece, c->rows);
  for (int64_t row = first; row < last; row++) c->run(c->job, row, thread);
}

static void each_row(const torus_order_job *job,
                     void (*run)(const torus_order_job *, int64_t, int)) {
  row_cut c = {job, job->outer * job->inner, rows_per_piece(job), run};
  if (c.rows == 0 || job->keep == 0) return;
  torus_parallel_interruptible(pieces_of(job), run_piece, &c);
}

void torus_order_sort(const torus_order_job *job) { each_row(job, sort_row); }

void torus_order_median(const torus_order_job *job) {
  each_row(job, median_row);
}

/* --- search --- */

typedef struct search {
  torus_dtype dtype;
  const void *sorted, *values;
  int64_t n, count;
  bool right;
  int64_t *out;
} search;

static void search_piece(void *arg, int64_t piece, int thread) {
  (void)thread;
  const search *s = arg;
  int64_t first = piece * PIECE, last = torus_min(first + PIECE, s->count);
  for (int64_t i = first; i < last; i++) {
    uint64_t value = key_of(s->dtype, s->values, i);
    int64_t low = 0;
    for (int64_t length = s->n; length > 0;) {
      int64_t half = length / 2;
      uint64_t key = key_of(s->dtype, s->sorted, low + half);
      bool before = key < value || (s->right && key == value);
      low = before ? low + half + 1 : low;
      length = before ? length - half - 1 : half;
    }
    s->out[i] = low;
  }
}

void torus_order_search(torus_dtype dtype, const void *sorted, int64_t n,
                        const void *values, int64_t count, bool right,
                        int64_t *out) {
  search s = {dtype, sorted, values, n, count, right, out};
  torus_parallel_interruptible(torus_ceil_div(count, PIECE), search_piece, &s);
}

/* --- groups and counts --- */

int64_t torus_order_groups(torus_dtype dtype, const void *x, int64_t n,
                           const int64_t *order, int64_t *first,
                           int64_t *inverse, int64_t *counts) {
  int64_t groups = 0;
  uint64_t last = 0;
  for (int64_t i = 0; i < n; i++) {
    uint64_t key = key_of(dtype, x, order[i]);
    bool nan = dtype != TORUS_INT64 && key == UINT64_MAX;
    if (i == 0 || key != last || nan) {
      first[groups] = order[i];
      counts[groups++] = 0;
    }
    counts[groups - 1]++;
    inverse[order[i]] = groups - 1;
    last = key;
  }
  return groups;
}

static double number(torus_dtype dtype, const void *x, int64_t i) {
  if (dtype == TORUS_FLOAT32) return (double)((const float *)x)[i];
  if (dtype == TORUS_FLOAT64) return ((const double *)x)[i];
  return (double)((const int64_t *)x)[i];
}

void torus_order_histogram(torus_dtype dtype, const void *x, int64_t n,
                           double low, double high, int64_t bins,
                           int64_t *counts) {
  memset(counts, 0, (size_t)bins * sizeof *counts);
  double scale = isfinite(high - low) ? 1 : 0.5;
  for (int64_t i = 0; i < n; i++) {
    double value = number(dtype, x, i);
    if (!(value >= low && value <= high)) continue;
    double share = (value * scale - low * scale) / (high * scale - low * scale);
    double at = share * (double)bins;
    counts[torus_min((int64_t)at, bins - 1)]++;
  }
}
