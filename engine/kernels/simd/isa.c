#include "kernels/simd/isa.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

static const char *const names[] = {
#define NAME(constant, name) #name,
    TORUS_ISAS(NAME)
#undef NAME
};

atomic_int torus_isa_in_use = -1;

const char *torus_isa_name(torus_isa isa) { return names[isa]; }

#if defined(__x86_64__)

/* Leaf 7 of cpuid: features that __builtin_cpu_supports of older compilers
 * doesn't know. */
static unsigned extended_features(unsigned leaf, int which) {
  unsigned r[4] = {0};
  if (!__get_cpuid_count(7, leaf, &r[0], &r[1], &r[2], &r[3])) return 0;
  return r[which];
}

static bool has_bf16(void) { return extended_features(1, 0) >> 5 & 1; }

/* The tiles are 8 KB of state per thread. Linux saves them only for a process
 * that has asked for it, which may be refused. */
static bool ask_for_tiles(void) {
#if defined(__linux__) && defined(SYS_arch_prctl)
  enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
  return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
  return false;
#endif
}

static bool has_amx(void) {
  static atomic_int known = -1;
  if (known >= 0) return known;
  const unsigned bits = 1u << 24 | 1u << 22; /* AMX-TILE, AMX-BF16 */
  known = (extended_features(0, 3) & bits) == bits && ask_for_tiles();
  return known;
}

#endif

bool torus_isa_available(torus_isa isa) {
  if (isa == TORUS_ISA_PORTABLE) return true;
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
              __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  if (isa == TORUS_ISA_AVX2) return avx2;
  bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512cd") &&
                __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512vl");
  if (isa == TORUS_ISA_AVX512) return avx512;
  if (isa == TORUS_ISA_AVX512BF16) return avx512 && has_bf16();
  if (isa == TORUS_ISA_AMX) return avx512 && has_bf16() && has_amx();
#endif
  return false;
}

static torus_isa best(void) {
  torus_isa isa = TORUS_ISA_COUNT - 1;
  while (!torus_isa_available(isa)) isa--;
  return isa;
}

/* The set that TORUS_ISA names; the best one if it is unset or empty;
 * TORUS_ISA_COUNT if the name is unknown. */
static torus_isa wished(const char *wish) {
  if (!wish || !*wish) return best();
  int isa = 0;
  while (isa < TORUS_ISA_COUNT && strcmp(wish, names[isa]) != 0) isa++;
  return (torus_isa)isa;
}

bool torus_isa_check(torus_status *status) {
  const char *wish = getenv("TORUS_ISA");
  torus_isa isa = wished(wish);
  if (isa == TORUS_ISA_COUNT) {
    return torus_status_fail(status, TORUS_EINVAL,
                             "TORUS_ISA: expected portable, avx2, avx512, "
                             "avx512bf16 or amx, got \"%s\"",
                             wish);
  }
  if (torus_isa_available(isa)) return true;
  return torus_status_fail(status, TORUS_EINVAL,
                           "TORUS_ISA: this machine has no %s; the best set "
                           "it has is %s",
                           wish, names[best()]);
}

/* Threads that get here simultaneously determine the same set. */
torus_isa torus_isa_first(void) {
  torus_isa isa = wished(getenv("TORUS_ISA"));
  if (!torus_isa_available(isa)) isa = best();
  torus_isa_in_use = (int)isa;
  return isa;
}

bool torus_isa_choose(torus_isa isa) {
  if (!torus_isa_available(isa)) return false;
  torus_isa_in_use = (int)isa;
  return true;
}
