/* Specs of kernels, run under every instruction set:
 *
 *   int main(void) { RUN_EACH_ISA(adds_up); return check_report(); }
 *
 * A set that the machine lacks is skipped, and said to be. Afterwards the set
 * is the one before. */
#ifndef TORUS_SPEC_EACH_ISA_H
#define TORUS_SPEC_EACH_ISA_H

#include "check.h"
#include "kernels/simd/isa.h"

#define EACH_ISA(isa)                                                          \
  for (torus_isa isa = 0; isa < TORUS_ISA_COUNT; isa++)                        \
    if (!torus_isa_choose(isa)) {                                              \
      printf("skipped: %s, which this machine lacks\n", torus_isa_name(isa));  \
    } else

#define RUN_EACH_ISA(name)                                                     \
  do {                                                                         \
    torus_isa before = torus_isa_chosen();                                     \
    EACH_ISA(isa) {                                                            \
      int failed = check_failed;                                               \
      RUN(name);                                                               \
      if (check_failed > failed) printf("with %s\n", torus_isa_name(isa));     \
    }                                                                          \
    torus_isa_choose(before);                                                  \
  } while (0)

#endif
