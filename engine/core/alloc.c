#include "core/alloc.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Size classes: four to each power of two, so at most a quarter is wasted. */
#define CLASSES 256
#define ALIGNMENT 64
/* A freed block is kept while the free lists hold at most this much, or as
 * much as is handed out. What is handed out may fall afterwards, as after
 * every step of a training, and rise again: so blocks beyond this much go
 * back only once they have lain idle for a whole period. A period is so much
 * work that the page faults of taking them again would not show: allocations
 * of PATIENCE times the cached bytes, each counted with its overhead. */
#define CACHE_MIN ((size_t)64 << 20)
#define PATIENCE 8
#define OVERHEAD ((size_t)16 << 10)
/* Sanitizers and valgrind see a use after free only in memory that went back
 * to the system, and an overrun only at a block's true end. */
#ifdef TORUS_NO_POOL
#define POOLED 0
#else
#define POOLED 1
#endif

/* In front of every block; as long as the alignment. */
typedef struct header {
  struct header *next;
  size_t bytes;
  int class;
} header;

_Static_assert(sizeof(header) <= ALIGNMENT, "header must fit its slot");

static struct {
  atomic_flag lock;
  header *free[CLASSES];
  int64_t cached[CLASSES],
      idle[CLASSES]; /* blocks; their minimum in this period */
  size_t work;       /* in this period */
  torus_alloc_stats stats;
  int64_t fail_in;
  int fail_on; /* the next ones, too */
} pool = {.lock = ATOMIC_FLAG_INIT};

/* Held for a few dozen instructions, and mostly by the only thread that
 * allocates: taking it is one exchange. Who has waited for long lets others
 * run, as the holder may have been put to sleep. */
#define WAITS 1000

static void lock_pool(void) {
  int waits = 0;
  while (atomic_flag_test_and_set_explicit(&pool.lock, memory_order_acquire)) {
    if (++waits % WAITS == 0) sched_yield();
  }
}

static void unlock_pool(void) {
  atomic_flag_clear_explicit(&pool.lock, memory_order_release);
}

/* stats.live_bytes, to be read without the lock. */
static _Atomic size_t live_bytes;

static void note_live_bytes(void) {
  atomic_store_explicit(&live_bytes, pool.stats.live_bytes,
                        memory_order_relaxed);
}

size_t torus_alloc_live_bytes(void) {
  return atomic_load_explicit(&live_bytes, memory_order_relaxed);
}

/* The class of a request and the bytes a block of that class holds. */
static int class_of(size_t bytes, size_t *capacity) {
  if (bytes < 256) {
    *capacity = 256;
    return 0;
  }
  int shift = 63 - __builtin_clzll(bytes); /* 2^shift <= bytes */
  size_t step = (size_t)1 << (shift - 2);
  size_t quarter = (bytes - ((size_t)1 << shift) + step - 1) / step;
  *capacity = ((size_t)1 << shift) + quarter * step;
  return (shift - 8) * 4 + (int)quarter;
}

static header *take_from_system(size_t capacity) {
  void *block;
  return posix_memalign(&block, ALIGNMENT, capacity + ALIGNMENT) == 0 ? block
                                                                      : NULL;
}

static header *take_cached(int class) {
  header *h = pool.free[class];
  if (h) {
    pool.free[class] = h->next;
    pool.stats.cached_bytes -= h->bytes;
    int64_t left = --pool.cached[class];
    if (left < pool.idle[class]) pool.idle[class] = left;
  }
  return h;
}

/* Counts an allocation; when it ends a period, takes the blocks that were
 * idle throughout, the largest first, off the free lists for the caller to
 * free. */
static header *take_idle(size_t bytes) {
  size_t cached = pool.stats.cached_bytes;
  pool.work += bytes + OVERHEAD;
  if (pool.work / PATIENCE < (cached > CACHE_MIN ? cached : CACHE_MIN))
    return NULL;
  header *taken = NULL;
  for (int i = CLASSES - 1; i >= 0; i--) {
    for (int64_t n = pool.idle[i]; n > 0; n--) {
      if (pool.stats.cached_bytes <= CACHE_MIN) break;
      header *h = take_cached(i);
      h->next = taken;
      taken = h;
    }
    pool.idle[i] = pool.cached[i];
  }
  pool.work = 0;
  return taken;
}

static void free_all(header *list) {
  while (list) {
    header *next = list->next;
    free(list);
    list = next;
  }
}

/* With the lock held. */
static void count_block(size_t capacity) {
  torus_alloc_stats *s = &pool.stats;
  s->live_bytes += capacity;
  s->live_blocks++;
  note_live_bytes();
  if (s->live_bytes > s->peak_bytes) s->peak_bytes = s->live_bytes;
}

static header *new_block(size_t capacity, int class) {
  header *h = take_from_system(capacity);
  if (!h) {
    torus_alloc_trim();
    h = take_from_system(capacity);
    if (!h) return NULL;
  }
  h->bytes = capacity;
  h->class = class;
  lock_pool();
  count_block(capacity);
  unlock_pool();
  return h;
}

void *torus_alloc(size_t bytes) {
  if (bytes > SIZE_MAX / 4) return NULL;
  size_t capacity;
  int class = class_of(bytes, &capacity);
  if (!POOLED) capacity = bytes;
  lock_pool();
  int fail = pool.fail_in > 0 && --pool.fail_in == 0;
  if (fail && pool.fail_on) pool.fail_in = 1;
  header *h = fail ? NULL : take_cached(class);
  header *idle = take_idle(capacity);
  if (h) count_block(capacity);
  unlock_pool();
  if (idle) free_all(idle);
  if (fail) return NULL;
  if (!h) h = new_block(capacity, class);
  return h ? (char *)h + ALIGNMENT : NULL;
}

void torus_free(void *block) {
  if (!block) return;
  header *h = (header *)((char *)block - ALIGNMENT);
  lock_pool();
  torus_alloc_stats *s = &pool.stats;
  s->live_bytes -= h->bytes;
  s->live_blocks--;
  note_live_bytes();
  size_t limit = s->live_bytes > CACHE_MIN ? s->live_bytes : CACHE_MIN;
  int keep = POOLED && s->cached_bytes + h->bytes <= limit;
  if (keep) {
    h->next = pool.free[h->class];
    pool.free[h->class] = h;
    pool.cached[h->class]++;
    s->cached_bytes += h->bytes;
  }
  unlock_pool();
  if (!keep) free(h);
}

torus_alloc_stats torus_alloc_get_stats(void) {
  lock_pool();
  torus_alloc_stats stats = pool.stats;
  unlock_pool();
  return stats;
}

void torus_alloc_trim(void) {
  lock_pool();
  for (int i = 0; i < CLASSES; i++) {
    while (pool.free[i]) free(take_cached(i));
  }
  unlock_pool();
}

static void fail_in(int64_t n, int on) {
  lock_pool();
  pool.fail_in = n;
  pool.fail_on = on;
  unlock_pool();
}

void torus_alloc_fail_nth(int64_t n) { fail_in(n, 0); }
void torus_alloc_fail_from(int64_t n) { fail_in(n, 1); }
