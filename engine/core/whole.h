/* Small arithmetic of whole numbers, for sizes and places. */
#ifndef TORUS_CORE_WHOLE_H
#define TORUS_CORE_WHOLE_H

#include <stdint.h>

static inline int64_t torus_least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static inline int64_t torus_most(int64_t a, int64_t b) { return a > b ? a : b; }

/* How many parts of size b it takes to hold a; both positive, a also 0. */
static inline int64_t torus_parts(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

#endif
