/* A minimal harness for the engine's C specs.
 *
 *   TEST(adds_up) { CHECK(1 + 1 == 2, "got %d", 1 + 1); }
 *   int main(void) { RUN(adds_up); return check_report(); }
 *
 * A program prints its failures and ends with "N passed, N failed". $CASES, a
 * regular expression, picks tests by their names. */
#ifndef TORUS_SPEC_CHECK_H
#define TORUS_SPEC_CHECK_H

#include <math.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

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

static inline bool check_picks(const char *name) {
  const char *cases = getenv("CASES");
  regex_t pattern;
  if (!cases || regcomp(&pattern, cases, REG_EXTENDED | REG_NOSUB) != 0) {
    return true;
  }
  bool picked = regexec(&pattern, name, 0, NULL, 0) == 0;
  regfree(&pattern);
  return picked;
}

#define RUN(name)                                                              \
  do {                                                                         \
    if (!check_picks(#name)) break;                                            \
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
