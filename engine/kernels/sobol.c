#include "kernels/sobol.h"

#include "core/threads.h"

#define PIECE 1024
#define BITS 32
#define DEGREE_MAX 9

/* Primitive polynomials and initial direction numbers of the dimensions after
 * the first: new-joe-kuo-6.21201 of Joe and Kuo (2008), "Constructing Sobol
 * sequences with better two-dimensional projections". The degree is that of the
 * polynomial's highest bit. */
static const struct {
  uint32_t polynomial;
  uint32_t initial[DEGREE_MAX];
} table[TORUS_SOBOL_DIMS - 1] = {
    /* clang-format off */
    {3, {1}},
    {7, {1, 3}},
    {11, {1, 3, 1}},
    {13, {1, 1, 1}},
    {19, {1, 1, 3, 3}},
    {25, {1, 3, 5, 13}},
    {37, {1, 1, 5, 5, 17}},
    {41, {1, 1, 5, 5, 5}},
    {47, {1, 1, 7, 11, 19}},
    {55, {1, 1, 5, 1, 1}},
    {59, {1, 1, 1, 3, 11}},
    {61, {1, 3, 5, 5, 31}},
    {67, {1, 3, 3, 9, 7, 49}},
    {91, {1, 1, 1, 15, 21, 21}},
    {97, {1, 3, 1, 13, 27, 49}},
    {103, {1, 1, 1, 15, 7, 5}},
    {109, {1, 3, 1, 15, 13, 25}},
    {115, {1, 1, 5, 5, 19, 61}},
    {131, {1, 3, 7, 11, 23, 15, 103}},
    {137, {1, 3, 7, 13, 13, 15, 69}},
    {143, {1, 1, 3, 13, 7, 35, 63}},
    {145, {1, 3, 5, 9, 1, 25, 53}},
    {157, {1, 3, 1, 13, 9, 35, 107}},
    {167, {1, 3, 1, 5, 27, 61, 31}},
    {171, {1, 1, 5, 11, 19, 41, 61}},
    {185, {1, 3, 5, 3, 3, 13, 69}},
    {191, {1, 1, 7, 13, 1, 19, 1}},
    {193, {1, 3, 7, 5, 13, 19, 59}},
    {203, {1, 1, 3, 9, 25, 29, 41}},
    {211, {1, 3, 5, 13, 23, 1, 55}},
    {213, {1, 3, 7, 3, 13, 59, 17}},
    {229, {1, 3, 1, 3, 5, 53, 69}},
    {239, {1, 1, 5, 5, 23, 33, 13}},
    {241, {1, 1, 7, 7, 1, 61, 123}},
    {247, {1, 1, 7, 9, 13, 61, 49}},
    {253, {1, 3, 3, 5, 3, 55, 33}},
    {285, {1, 3, 1, 15, 31, 13, 49, 245}},
    {299, {1, 3, 5, 15, 31, 59, 63, 97}},
    {301, {1, 3, 1, 11, 11, 11, 77, 249}},
    {333, {1, 3, 1, 11, 27, 43, 71, 9}},
    {351, {1, 1, 7, 15, 21, 11, 81, 45}},
    {355, {1, 3, 7, 3, 25, 31, 65, 79}},
    {357, {1, 3, 1, 1, 19, 11, 3, 205}},
    {361, {1, 1, 5, 9, 19, 21, 29, 157}},
    {369, {1, 3, 7, 11, 1, 33, 89, 185}},
    {391, {1, 3, 3, 3, 15, 9, 79, 71}},
    {397, {1, 3, 7, 11, 15, 39, 119, 27}},
    {425, {1, 1, 3, 1, 11, 31, 97, 225}},
    {451, {1, 1, 1, 3, 23, 43, 57, 177}},
    {463, {1, 3, 7, 7, 17, 17, 37, 71}},
    {487, {1, 3, 1, 5, 27, 63, 123, 213}},
    {501, {1, 1, 3, 5, 11, 43, 53, 133}},
    {529, {1, 3, 5, 5, 29, 17, 47, 173, 479}},
    {539, {1, 3, 3, 11, 3, 1, 109, 9, 69}},
    {545, {1, 1, 1, 5, 17, 39, 23, 5, 343}},
    {557, {1, 3, 1, 5, 25, 15, 31, 103, 499}},
    {563, {1, 1, 1, 11, 11, 17, 63, 105, 183}},
    {601, {1, 1, 5, 11, 9, 29, 97, 231, 363}},
    {607, {1, 1, 5, 15, 19, 45, 41, 7, 383}},
    {617, {1, 3, 7, 7, 31, 19, 83, 137, 221}},
    {623, {1, 1, 1, 3, 23, 15, 111, 223, 83}},
    {631, {1, 1, 5, 13, 31, 15, 55, 25, 161}},
    {637, {1, 1, 3, 13, 25, 47, 39, 87, 257}},
    /* clang-format on */
};

/* Direction k of a dimension, from its highest bit on. */
static void directions(int dim, uint32_t v[BITS]) {
  if (dim == 0) {
    for (int k = 0; k < BITS; k++) v[k] = 1u << (BITS - 1 - k);
    return;
  }
  uint32_t polynomial = table[dim - 1].polynomial;
  int degree = 31 - __builtin_clz(polynomial);
  for (int k = 0; k < BITS; k++) {
    if (k < degree) {
      v[k] = table[dim - 1].initial[k] << (BITS - 1 - k);
      continue;
    }
    v[k] = v[k - degree] ^ v[k - degree] >> degree;
    for (int j = 1; j < degree; j++) {
      if (polynomial >> (degree - j) & 1) v[k] ^= v[k - j];
    }
  }
}

/* The finaliser of splitmix64 (Steele et al. 2014). */
static uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}

/* Owen's scrambling (1995): whether digit k is flipped depends on the digits
 * above it. The part below the last digit is uniform. */
static double scrambled(uint32_t x, uint64_t key) {
  uint64_t digits = 0;
  for (int k = 0; k < BITS; k++) {
    uint64_t above = (uint64_t)x >> (BITS - k);
    uint64_t flip = mix(key ^ (1ull << k | above)) >> 63;
    digits = digits << 1 | ((x >> (BITS - 1 - k) & 1) ^ flip);
  }
  uint64_t below = mix(key ^ (1ull << BITS | x)) >> 44;
  return (double)(digits << 20 | below) * 0x1p-52;
}

typedef struct job {
  const torus_sobol *s;
  double *out; /* (count, dims) */
  int64_t count;
  uint32_t v[TORUS_SOBOL_DIMS][BITS];
} job;

static void piece(void *arg, int64_t number, int thread) {
  (void)thread;
  const job *j = arg;
  int dims = j->s->dims;
  int64_t last =
      (number + 1) * PIECE < j->count ? (number + 1) * PIECE : j->count;
  for (int64_t i = number * PIECE; i < last; i++) {
    uint32_t point = j->s->first + (uint32_t)i;
    uint32_t gray = point ^ point >> 1;
    for (int d = 0; d < dims; d++) {
      uint32_t x = 0;
      for (uint32_t g = gray; g; g &= g - 1) x ^= j->v[d][__builtin_ctz(g)];
      uint64_t key = mix(j->s->seed + (uint64_t)d * 0xD1342543DE82EF95u);
      j->out[i * dims + d] =
          j->s->scramble ? scrambled(x, mix(key)) : (double)x * 0x1p-32;
    }
  }
}

void torus_sobol_points(const torus_sobol *s, double *out, int64_t count) {
  job j = {.s = s, .out = out, .count = count};
  for (int d = 0; d < s->dims; d++) directions(d, j.v[d]);
  torus_parallel((count + PIECE - 1) / PIECE, piece, &j);
}
