/* Counted, pooled memory for tensor data and scratch.
 *
 * Blocks are 64-byte aligned. A freed block goes to a free list of its size
 * class and is reused: training repeats its sizes, and returning pages to the
 * system costs more than the arithmetic on them. Blocks that have been idle for
 * long are returned. Safe to call from any thread. */
#ifndef TORUS_CORE_ALLOC_H
#define TORUS_CORE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

/* NULL when memory is exhausted (or a test requested it). The contents are
 * undefined. A size of zero returns a valid block. */
void *torus_alloc(size_t bytes);
/* NULL is allowed. */
void torus_free(void *block);

typedef struct torus_alloc_stats {
  size_t live_bytes;   /* handed out now */
  size_t live_blocks;  /* handed out now */
  size_t peak_bytes;   /* the maximum of live_bytes so far */
  size_t cached_bytes; /* kept in the free lists */
} torus_alloc_stats;

torus_alloc_stats torus_alloc_get_stats(void);
/* Only live_bytes, at little cost. */
size_t torus_alloc_live_bytes(void);

/* Returns every cached block to the system. */
void torus_alloc_trim(void);

/* For tests: the nth allocation from now fails (1 is the next one), only that
 * one or all following ones too; zero switches this off. */
void torus_alloc_fail_nth(int64_t n);
void torus_alloc_fail_from(int64_t n);

#endif
