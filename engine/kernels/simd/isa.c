#include "kernels/simd/isa.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
#define NAME(constant, name) #name,
    TORUS_ISAS(NAME)
#undef NAME
};

atomic_int torus_isa_in_use = -1;

const char *torus_isa_name(torus_isa isa) { return names[isa]; }

bool torus_isa_available(torus_isa isa) {
  if (isa == TORUS_ISA_PORTABLE) return true;
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
              __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  if (isa == TORUS_ISA_AVX2) return avx2;
  if (isa == TORUS_ISA_AVX512) {
    return avx2 && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") &&
           __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
  }
#endif
  return false;
}

static torus_isa best(void) {
  torus_isa isa = TORUS_ISA_COUNT - 1;
  while (!torus_isa_available(isa)) isa--;
  return isa;
}

/* The set that TORUS_ISA names; the best where it is not set or empty;
 * TORUS_ISA_COUNT where it names none. */
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
                             "TORUS_ISA: expected portable, avx2 or avx512, "
                             "got \"%s\"",
                             wish);
  }
  if (torus_isa_available(isa)) return true;
  return torus_status_fail(status, TORUS_EINVAL,
                           "TORUS_ISA: this machine has no %s; the best set "
                           "it has is %s",
                           wish, names[best()]);
}

/* Threads that come here together find the same set. */
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
