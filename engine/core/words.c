#include "core/words.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LETTERS 64

static int letter(const char *word, int i) {
  return tolower((unsigned char)word[i]);
}

static int smaller(int a, int b) { return a < b ? a : b; }

int torus_word_distance(const char *a, const char *b) {
  size_t rows = strlen(a), columns = strlen(b);
  if (rows > LETTERS || columns > LETTERS) return TORUS_WORD_FAR;
  int n = (int)rows, m = (int)columns;
  int table[3][LETTERS + 1]; /* row i in i % 3 */
  for (int j = 0; j <= m; j++) table[0][j] = j;
  for (int i = 1; i <= n; i++) {
    int *row = table[i % 3];
    const int *above = table[(i + 2) % 3], *before = table[(i + 1) % 3];
    row[0] = i;
    for (int j = 1; j <= m; j++) {
      int same = letter(a, i - 1) == letter(b, j - 1);
      row[j] =
          smaller(above[j - 1] + !same, smaller(above[j] + 1, row[j - 1] + 1));
      if (i > 1 && j > 1 && letter(a, i - 1) == letter(b, j - 2) &&
          letter(a, i - 2) == letter(b, j - 1)) {
        row[j] = smaller(row[j], before[j - 2] + 1);
      }
    }
  }
  return table[n % 3][m];
}

static int contains(const char *word, const char *part) {
  size_t length = strlen(part);
  for (; *word; word++) {
    if (strncasecmp(word, part, length) == 0) return 1;
  }
  return 0;
}

void torus_word_try(torus_word_search *s, const char *known) {
  size_t length = strlen(s->wanted);
  if (length > LETTERS) return;
  /* Twice the distance; to contain the word comes after all those in reach. */
  int limit = 2 * ((int)length / 3);
  int d = 2 * torus_word_distance(s->wanted, known);
  if (length > 2 && contains(known, s->wanted)) d = smaller(d, limit + 1);
  if (d > limit + 1) return;
  if (!s->best || d < s->distance ||
      (d == s->distance && strcmp(known, s->best) < 0)) {
    s->best = known;
    s->distance = d;
  }
}

const char *torus_word_nearest(const char *wanted, const char *const *known) {
  torus_word_search search = {.wanted = wanted};
  for (int i = 0; known[i]; i++) torus_word_try(&search, known[i]);
  return search.best;
}

const char *torus_word_hint(const char *best, char text[TORUS_WORD_TEXT]) {
  text[0] = 0;
  if (best) {
    snprintf(text, TORUS_WORD_TEXT, ", did you mean \"%s\"?", best);
  }
  return text;
}
