/* Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011,
 * "Parallel random numbers: as easy as 1, 2, 3").
 *
 * Sample n of a stream depends only on the seed and n: fills
 * (kernels/random.h) can be divided into pieces, and the entire state of a
 * generator is two integers. */
#ifndef TORUS_CORE_RNG_H
#define TORUS_CORE_RNG_H

#include <stdint.h>

typedef struct torus_rng {
  uint64_t seed;
  uint64_t position; /* samples drawn so far */
} torus_rng;

/* Its multipliers, and what is added to the two words of the key each round. */
#define TORUS_PHILOX_M0 0xD2511F53u
#define TORUS_PHILOX_M1 0xCD9E8D57u
#define TORUS_PHILOX_W0 0x9E3779B9u
#define TORUS_PHILOX_W1 0xBB67AE85u

/* 128 random bits for one position of a stream. */
void torus_philox(uint64_t seed, uint64_t position, uint32_t out[4]);
/* Further bits for the same position, if a sample needs more; those of attempt
 * 0 are those of torus_philox. */
void torus_philox_again(uint64_t seed, uint64_t position, uint64_t attempt,
                        uint32_t out[4]);
/* 53 bits of two of these words as a number in [0, 1). */
double torus_philox_unit(uint32_t low, uint32_t high);

/* A standard normal number of all four words (Box-Muller). */
double torus_philox_normal(const uint32_t words[4]);

/* One uniform sample in [0, 1), of 53 bits. */
double torus_rng_uniform_at(uint64_t seed, uint64_t position);

/* A random permutation of first .. first + count - 1 (Fisher-Yates). */
void torus_rng_permutation(torus_rng *rng, int64_t *out, int64_t count,
                           int64_t first);

#endif
