/* A minimal harness for the engine's C specs.
 *
 *   TEST(adds_up) { CHECK(1 + 1 == 2, "got %d", 1 + 1); }
 *   int main(void) { RUN(adds_up); return check_report(); }
 *
 * A program prints its failures and ends with "N passed, N failed". */
#ifndef TORUS_SPEC_CHECK_H
#define TORUS_SPEC_CHECK_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

static int check_passed, check_failed;
static bool check_ok;

#define TEST(name) static void test_##name(void)

#define CHECK(condition, ...)                                                  \
  do {                                                                         \
    if (!(condition)) {                                                        \
      check_ok = false;                                                        \
      printf("%s:%d: %s: ", __FILE__, __LINE__, #condition);                   \
      printf(__VA_ARGS__);                                                     \
      printf("\n");                                                            \
    }                                                                          \
  } while (0)

#define RUN(name)                                                              \
  do {                                                                         \
    check_ok = true;                                                           \
    test_##name();                                                             \
    if (check_ok) {                                                            \
      check_passed++;                                                          \
    } else {                                                                   \
      check_failed++;                                                          \
      printf("failed: %s\n", #name);                                           \
    }                                                                          \
  } while (0)

static inline int check_report(void) {
  printf("%d passed, %d failed\n", check_passed, check_failed);
  return check_failed == 0 ? 0 : 1;
}

#endif
