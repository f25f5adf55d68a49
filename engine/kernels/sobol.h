/* Points of Sobol's sequence, which fill the unit cube more evenly than random
 * ones: point i depends on i and, if they are scrambled, on the seed. */
#ifndef TORUS_KERNELS_SOBOL_H
#define TORUS_KERNELS_SOBOL_H

#include <stdbool.h>
#include <stdint.h>

#define TORUS_SOBOL_DIMS 64

typedef struct torus_sobol {
  int dims;       /* at most TORUS_SOBOL_DIMS */
  uint32_t first; /* index of the first point, from 0 */
  bool scramble;
  uint64_t seed;
} torus_sobol;

/* out: (count, dims), in [0, 1); first + count is at most 2^32. */
void torus_sobol_points(const torus_sobol *s, double *out, int64_t count);

#endif
