/* Integer arithmetic for sizes and offsets. */
#ifndef TORUS_CORE_INTMATH_H
#define TORUS_CORE_INTMATH_H

#include <stdint.h>

static inline int64_t torus_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t torus_max(int64_t a, int64_t b) { return a > b ? a : b; }

/* a / b rounded up, for a >= 0 and b > 0. */
static inline int64_t torus_ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

#endif
