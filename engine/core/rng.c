#include "core/rng.h"

#include <math.h>

void torus_philox_again(uint64_t seed, uint64_t position, uint64_t attempt,
                        uint32_t out[4]) {
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  uint32_t c0 = (uint32_t)position, c1 = (uint32_t)(position >> 32);
  uint32_t c2 = (uint32_t)attempt, c3 = (uint32_t)(attempt >> 32);
  for (int round = 0; round < 10; round++) {
    uint64_t a = (uint64_t)TORUS_PHILOX_M0 * c0;
    uint64_t b = (uint64_t)TORUS_PHILOX_M1 * c2;
    c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)b;
    c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)a;
    k0 += TORUS_PHILOX_W0;
    k1 += TORUS_PHILOX_W1;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

void torus_philox(uint64_t seed, uint64_t position, uint32_t out[4]) {
  torus_philox_again(seed, position, 0, out);
}

double torus_philox_unit(uint32_t low, uint32_t high) {
  uint64_t bits = ((uint64_t)high << 32 | low) >> 11;
  return (double)bits * 0x1p-53;
}

double torus_philox_normal(const uint32_t words[4]) {
  double radius = sqrt(-2 * log(1 - torus_philox_unit(words[0], words[1])));
  return radius *
         cos(6.283185307179586477 * torus_philox_unit(words[2], words[3]));
}

double torus_rng_uniform_at(uint64_t seed, uint64_t position) {
  uint32_t r[4];
  torus_philox(seed, position, r);
  return torus_philox_unit(r[0], r[1]);
}

void torus_rng_permutation(torus_rng *rng, int64_t *out, int64_t count,
                           int64_t first) {
  for (int64_t i = 0; i < count; i++) {
    double u = torus_rng_uniform_at(rng->seed, rng->position++);
    int64_t j = (int64_t)(u * (double)(i + 1)); /* j <= i */
    out[i] = out[j];
    out[j] = first + i;
  }
}
