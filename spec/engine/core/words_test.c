#include "core/words.h"

#include "check.h"

#include <string.h>

/* The distance by its definition, without a table (slow). */
static int distance(const char *a, int n, const char *b, int m) {
  if (n == 0 || m == 0) return n + m;
  int same = a[n - 1] == b[m - 1];
  int best = distance(a, n - 1, b, m - 1) + !same;
  int drop = distance(a, n - 1, b, m) + 1, add = distance(a, n, b, m - 1) + 1;
  if (drop < best) best = drop;
  if (add < best) best = add;
  if (n > 1 && m > 1 && a[n - 1] == b[m - 2] && a[n - 2] == b[m - 1]) {
    int swap = distance(a, n - 2, b, m - 2) + 1;
    if (swap < best) best = swap;
  }
  return best;
}

TEST(distances_are_those_of_the_definition) {
  const char *words[] = {"",     "a",     "sum",  "sume", "mean",  "maen",
                         "dtpe", "dtype", "abcd", "badc", "argmax"};
  int count = (int)(sizeof words / sizeof *words);
  for (int i = 0; i < count; i++) {
    for (int k = 0; k < count; k++) {
      const char *a = words[i], *b = words[k];
      int wanted = distance(a, (int)strlen(a), b, (int)strlen(b));
      CHECK(torus_word_distance(a, b) == wanted, "%s and %s: %d, not %d", a, b,
            torus_word_distance(a, b), wanted);
    }
  }
  CHECK(torus_word_distance("SUM", "sum") == 0, "case");
  char wide[100] = "";
  memset(wide, 'x', 99);
  CHECK(torus_word_distance(wide, "x") == TORUS_WORD_FAR, "a long word");
}

TEST(the_nearest_is_near_or_contains_the_word) {
  static const char *const known[] = {"logsumexp",     "sum",    "size",
                                      "requires_grad", "cumsum", NULL};
  const char *pairs[][2] = {
      {"sume", "sum"},  {"sums", "sum"}, {"grad", "requires_grad"},
      {"szie", "size"}, {"xyz", NULL},   {"", NULL}};
  for (int i = 0; i < 6; i++) {
    const char *best = torus_word_nearest(pairs[i][0], known);
    bool right = best && pairs[i][1] ? strcmp(best, pairs[i][1]) == 0
                                     : best == pairs[i][1];
    CHECK(right, "%s: %s", pairs[i][0], best ? best : "nothing");
  }
  char text[TORUS_WORD_TEXT];
  CHECK(strcmp(torus_word_hint("sum", text), ", did you mean \"sum\"?") == 0,
        "%s", text);
  CHECK(strcmp(torus_word_hint(NULL, text), "") == 0, "%s", text);
}

int main(void) {
  RUN(distances_are_those_of_the_definition);
  RUN(the_nearest_is_near_or_contains_the_word);
  return check_report();
}
