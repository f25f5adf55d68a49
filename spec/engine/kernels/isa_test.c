/* The choice of the instruction set: by TORUS_ISA, by the program, and that
 * kernels follow it. */
#include "kernels/simd/isa.h"

#include <stdlib.h>
#include <string.h>

#include "each_isa.h"
#include "kernels/conv_patches.h"

static bool check_with(const char *wish, torus_status *status) {
  torus_status_clear(status);
  if (wish) {
    setenv("TORUS_ISA", wish, 1);
  } else {
    unsetenv("TORUS_ISA");
  }
  torus_isa_in_use = -1; /* as before the first question */
  return torus_isa_check(status);
}

TEST(a_name_forces_its_set) {
  torus_status status = {0};
  for (torus_isa isa = 0; isa < TORUS_ISA_COUNT; isa++) {
    bool ok = check_with(torus_isa_name(isa), &status);
    CHECK(ok == torus_isa_available(isa), "%s", torus_isa_name(isa));
    if (ok) {
      CHECK(torus_isa_chosen() == isa, "%s: got %s", torus_isa_name(isa),
            torus_isa_name(torus_isa_chosen()));
    } else {
      CHECK(strstr(status.message, torus_isa_name(isa)), "%s", status.message);
      CHECK(torus_isa_available(torus_isa_chosen()), "what it lacks is used");
    }
  }
}

TEST(without_a_name_it_is_the_best) {
  torus_status status = {0};
  const char *const none[] = {NULL, ""};
  for (int i = 0; i < 2; i++) {
    CHECK(check_with(none[i], &status), "%s", status.message);
    for (torus_isa isa = 0; isa < TORUS_ISA_COUNT; isa++) {
      CHECK(isa <= torus_isa_chosen() || !torus_isa_available(isa),
            "%s is better", torus_isa_name(isa));
    }
  }
}

TEST(another_name_is_refused) {
  torus_status status = {0};
  const char *const wrong[] = {"sse9", "AVX2", "avx51", "avx5122", " avx2"};
  for (int i = 0; i < 5; i++) {
    CHECK(!check_with(wrong[i], &status), "\"%s\" was accepted", wrong[i]);
    CHECK(strstr(status.message, "portable, avx2, avx512, avx512bf16 or amx") &&
              strstr(status.message, wrong[i]),
          "%s", status.message);
    CHECK(torus_isa_available(torus_isa_chosen()), "no set is in use");
  }
}

TEST(a_set_that_there_is_not_cannot_be_chosen) {
  torus_isa before = torus_isa_chosen();
  CHECK(!torus_isa_choose(TORUS_ISA_COUNT), "there is no such set");
  CHECK(torus_isa_chosen() == before, "a refused choice changed the set");
  CHECK(torus_isa_choose(TORUS_ISA_PORTABLE), "plain C runs everywhere");
  CHECK(torus_isa_chosen() == TORUS_ISA_PORTABLE, "the choice was not taken");
  torus_isa_choose(before);
}

TEST(kernels_follow_the_choice) {
  torus_isa before = torus_isa_chosen();
  EACH_ISA(isa) {
    int64_t lanes = isa == TORUS_ISA_PORTABLE ? 4
                    : isa == TORUS_ISA_AVX2   ? 8
                                              : 16;
    CHECK(conv_kernels_chosen()->lanes == lanes, "%s", torus_isa_name(isa));
  }
  torus_isa_choose(before);
}

int main(void) {
  RUN(a_name_forces_its_set);
  RUN(without_a_name_it_is_the_best);
  RUN(another_name_is_refused);
  RUN(a_set_that_there_is_not_cannot_be_chosen);
  RUN(kernels_follow_the_choice);
  return check_report();
}
