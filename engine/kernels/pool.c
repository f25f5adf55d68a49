#include "kernels/pool.h"

#include <string.h>

#include "core/threads.h"

/* Minimum number of elements that a piece reads. */
#define PIECE 16384

/* The part [first, last) of window number i that lies in 0..size. */
typedef struct window {
  int64_t first, last;
} window;

static window window_at(const torus_pool *p, int64_t i, int64_t size) {
  int64_t first = i * p->stride - p->padding, last = first + p->kernel;
  return (window){first < 0 ? 0 : first, last > size ? size : last};
}

#define T float
#define NAME(x) x##_f32
#include "kernels/pool.inc"
#undef T
#undef NAME

#define T double
#define NAME(x) x##_f64
#include "kernels/pool.inc"
