#include "kernels/conv_tiles.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
/* Every loop of a fixed short length, so that arrays become registers. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

#if defined(__x86_64__)

#define NAME(x) x##_avx512
#define ISA __attribute__((target("avx512f,avx512dq,avx2,fma")))
#define LANES 16
#define ROWS 6
#define VECTORS 4
#include "kernels/conv_tiles.inc"
#undef NAME
#undef ISA
#undef LANES
#undef ROWS
#undef VECTORS

#define NAME(x) x##_avx2
#define ISA __attribute__((target("avx2,fma")))
#define LANES 8
#define ROWS 6
#define VECTORS 2
#include "kernels/conv_tiles.inc"
#undef NAME
#undef ISA
#undef LANES
#undef ROWS
#undef VECTORS

#endif

#define NAME(x) x##_portable
#define ISA
#define LANES 4
#define ROWS 4
#define VECTORS 2
#include "kernels/conv_tiles.inc"

static const conv_kernels *chosen;

static void choose(void) {
  chosen = &kernels_portable;
#if defined(__x86_64__)
  const char *wish = getenv("TORUS_ISA");
  if (wish && strcmp(wish, "portable") == 0) return;
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return;
  chosen = &kernels_avx2;
  if (wish && strcmp(wish, "avx2") == 0) return;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512dq"))
    return;
  chosen = &kernels_avx512;
#endif
}

const conv_kernels *conv_kernels_chosen(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, choose);
  return chosen;
}
