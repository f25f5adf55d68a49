#include "kernels/sample.h"

#include "core/threads.h"

#include <math.h>
#include <stdlib.h>

#define PIECE 4096

typedef struct fill {
  torus_rng rng;
  void *out;
  int64_t count;
  int64_t low;
  uint64_t range;
} fill;

static int64_t last_of(const fill *f, int64_t piece) {
  int64_t last = (piece + 1) * PIECE;
  return last < f->count ? last : f->count;
}

static void run(torus_rng *rng, fill *f, torus_piece_fn *piece) {
  f->rng = *rng;
  torus_parallel((f->count + PIECE - 1) / PIECE, piece, f);
  rng->position += (uint64_t)f->count;
}

/* --- integers --- */

/* Lemire (2019), "Fast random integer generation in an interval": the upper
 * half of a product, which is not uniform where the lower half is below
 * 2^64 mod range. */
static uint64_t integer_at(uint64_t seed, uint64_t position, uint64_t range) {
  uint64_t threshold = -range % range;
  for (uint64_t attempt = 0;; attempt++) {
    uint32_t r[4];
    torus_philox_again(seed, position, attempt, r);
    for (int half = 0; half < 4; half += 2) {
      uint64_t bits = (uint64_t)r[half + 1] << 32 | r[half];
      unsigned __int128 product = (unsigned __int128)bits * range;
      if ((uint64_t)product >= threshold) return (uint64_t)(product >> 64);
    }
  }
}

static void integers_piece(void *arg, int64_t piece, int thread) {
  (void)thread;
  const fill *f = arg;
  int64_t *out = f->out;
  for (int64_t i = piece * PIECE; i < last_of(f, piece); i++) {
    out[i] = (int64_t)((uint64_t)f->low +
                       integer_at(f->rng.seed, f->rng.position + (uint64_t)i,
                                  f->range));
  }
}

void torus_sample_integers(torus_rng *rng, int64_t *out, int64_t count,
                           int64_t low, uint64_t range) {
  fill f = {.out = out, .count = count, .low = low, .range = range};
  run(rng, &f, integers_piece);
}

/* --- exponential --- */

static double exponential_at(uint64_t seed, uint64_t position) {
  return -log1p(-torus_rng_uniform_at(seed, position));
}

static void exponential_piece(void *arg, int64_t piece, int thread) {
  (void)thread;
  const fill *f = arg;
  double *out = f->out;
  for (int64_t i = piece * PIECE; i < last_of(f, piece); i++) {
    out[i] = exponential_at(f->rng.seed, f->rng.position + (uint64_t)i);
  }
}

void torus_sample_exponential(torus_rng *rng, double *out, int64_t count) {
  fill f = {.out = out, .count = count};
  run(rng, &f, exponential_piece);
}

/* --- gamma --- */

/* Each attempt uses a normal number and a uniform one. For a concentration
 * below 1: that of concentration + 1 times u^(1 / concentration). */
static double gamma_at(uint64_t seed, uint64_t position, double concentration) {
  double d = (concentration < 1 ? concentration + 1 : concentration) - 1.0 / 3;
  double c = 1 / sqrt(9 * d);
  for (uint64_t attempt = 0;; attempt += 2) {
    uint32_t r[4], s[4];
    torus_philox_again(seed, position, attempt, r);
    torus_philox_again(seed, position, attempt + 1, s);
    double x = torus_philox_normal(r), t = 1 + c * x, v = t * t * t;
    double u = 1 - torus_philox_unit(s[0], s[1]);
    if (t <= 0 || log(u) >= x * x / 2 + d * (1 - v + log(v))) continue;
    if (concentration >= 1) return d * v;
    return d * v * exp(log(1 - torus_philox_unit(s[2], s[3])) / concentration);
  }
}

static void gamma_piece(void *arg, int64_t piece, int thread) {
  (void)thread;
  const fill *f = arg;
  double *out = f->out;
  for (int64_t i = piece * PIECE; i < last_of(f, piece); i++) {
    out[i] = gamma_at(f->rng.seed, f->rng.position + (uint64_t)i, out[i]);
  }
}

void torus_sample_gamma(torus_rng *rng, double *out, int64_t count) {
  fill f = {.out = out, .count = count};
  run(rng, &f, gamma_piece);
}

/* --- picks --- */

/* The first index whose cumulative weight is above t; never one of weight 0. */
static int64_t search(const double *cumulative, int64_t n, double t) {
  int64_t low = 0, high = n - 1;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (cumulative[middle] > t) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

void torus_sample_picks(torus_rng *rng, const double *weights, int64_t rows,
                        int64_t n, int64_t *out, int64_t count,
                        double *cumulative) {
  for (int64_t row = 0; row < rows; row++) {
    double largest = 0, total = 0;
    for (int64_t i = 0; i < n; i++) {
      double w = weights[row * n + i];
      if (w > largest) largest = w;
    }
    /* Scaled, or the sum of large weights would be infinite. */
    for (int64_t i = 0; i < n; i++) {
      cumulative[i] = total += weights[row * n + i] / largest;
    }
    double below = nextafter(total, 0);
    for (int64_t k = 0; k < count; k++) {
      double t = torus_rng_uniform_at(rng->seed, rng->position++) * total;
      out[row * count + k] = search(cumulative, n, t < total ? t : below);
    }
  }
}

static int earlier(const void *a, const void *b) {
  const torus_sample_race *x = a, *y = b;
  if (x->time != y->time) return x->time < y->time ? -1 : 1;
  return x->index < y->index ? -1 : x->index > y->index;
}

/* Of independent exponential times with these rates, the first is that of i
 * with probability weight i / sum, and likewise for the next ones among those
 * left. */
void torus_sample_distinct(torus_rng *rng, const double *weights, int64_t rows,
                           int64_t n, int64_t *out, int64_t count,
                           torus_sample_race *race) {
  for (int64_t row = 0; row < rows; row++) {
    for (int64_t i = 0; i < n; i++) {
      double w = weights[row * n + i];
      double e = exponential_at(rng->seed, rng->position++);
      race[i] =
          (torus_sample_race){w > 0 ? log(e) - log(w) : (double)INFINITY, i};
    }
    qsort(race, (size_t)n, sizeof *race, earlier);
    for (int64_t k = 0; k < count; k++) out[row * count + k] = race[k].index;
  }
}
