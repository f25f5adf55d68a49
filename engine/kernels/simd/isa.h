/* The instruction set that the kernels use: the best one of the machine, or the
 * one named by the environment variable TORUS_ISA. Every kernel has a variant
 * for each set and asks here which one to run. */
#ifndef TORUS_KERNELS_SIMD_ISA_H
#define TORUS_KERNELS_SIMD_ISA_H

#include <stdatomic.h>
#include <stdbool.h>

#include "core/status.h"

/* X(constant, name), from the baseline to the best. On x86-64, avx2 is the
 * level x86-64-v3 and avx512 the level x86-64-v4 of the psABI; portable is what
 * the compiler assumes of every machine. The last two differ from avx512 only
 * in products of bfloat16 (kernels/bf16_product.h): AVX512-BF16 has dot
 * products of pairs, AMX multiplies matrices. */
#define TORUS_ISAS(X)                                                          \
  X(PORTABLE, portable)                                                        \
  X(AVX2, avx2)                                                                \
  X(AVX512, avx512) X(AVX512BF16, avx512bf16) X(AMX, amx)

typedef enum torus_isa {
#define TORUS_ISA_CONSTANT(constant, name) TORUS_ISA_##constant,
  TORUS_ISAS(TORUS_ISA_CONSTANT)
#undef TORUS_ISA_CONSTANT
      TORUS_ISA_COUNT
} torus_isa;

const char *torus_isa_name(torus_isa isa);
bool torus_isa_available(torus_isa isa);

/* Fails if TORUS_ISA names an unknown set, or one that this machine lacks. To
 * be called once, before the first kernel runs: the kernels themselves would
 * use the best available set. */
bool torus_isa_check(torus_status *status);

/* Switches to another set; false, with nothing changed, if the machine lacks
 * it. Not to be called while kernels run. */
bool torus_isa_choose(torus_isa isa);

/* Internal: the set in use, or -1 before the first query. */
extern atomic_int torus_isa_in_use;
torus_isa torus_isa_first(void);

/* The set in use. */
static inline torus_isa torus_isa_chosen(void) {
  int isa = atomic_load_explicit(&torus_isa_in_use, memory_order_relaxed);
  return isa < 0 ? torus_isa_first() : (torus_isa)isa;
}

#endif
