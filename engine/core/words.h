/* The known word most similar to a wrong one, for messages. */
#ifndef TORUS_CORE_WORDS_H
#define TORUS_CORE_WORDS_H

/* The number of letters to insert, delete, replace or swap with a neighbour to
 * turn one word into another (Levenshtein distance with transpositions),
 * ignoring case; TORUS_WORD_FAR for a word of more than 64 letters. */
#define TORUS_WORD_FAR 1000
int torus_word_distance(const char *a, const char *b);

/* A search: set `wanted`, try every known word, then read `best`, which is NULL
 * or borrowed. At most a third of the letters differ, or it contains the wrong
 * word. The alphabetically first of equals wins, in any order. */
typedef struct torus_word_search {
  const char *wanted;
  const char *best;
  int distance;
} torus_word_search;
void torus_word_try(torus_word_search *search, const char *known);

/* Of a list that ends with NULL. */
const char *torus_word_nearest(const char *wanted, const char *const *known);

/* `, did you mean "best"?` in text, or nothing. Returns text. */
#define TORUS_WORD_TEXT 96
const char *torus_word_hint(const char *best, char text[TORUS_WORD_TEXT]);

#endif
