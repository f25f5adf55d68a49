#include "core/alloc.h"

#include "check.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

static void start_clean(void) {
  torus_alloc_fail_nth(0);
  torus_alloc_trim();
}

TEST(aligns_blocks_of_every_size) {
  start_clean();
  for (size_t bytes = 0; bytes < 5000; bytes += 7) {
    char *block = torus_alloc(bytes);
    CHECK(block != NULL, "%zu bytes", bytes);
    CHECK((uintptr_t)block % 64 == 0, "%zu bytes at %p", bytes, (void *)block);
    memset(block, 0xa5, bytes);
    torus_free(block);
  }
}

TEST(wastes_at_most_a_quarter) {
  start_clean();
  size_t before = torus_alloc_get_stats().live_bytes;
  for (size_t bytes = 256; bytes < 3000000; bytes += bytes / 9 + 1) {
    void *block = torus_alloc(bytes);
    size_t used = torus_alloc_get_stats().live_bytes - before;
    CHECK(used >= bytes, "%zu bytes hold %zu", bytes, used);
    CHECK(used <= bytes + bytes / 4, "%zu bytes take %zu", bytes, used);
    torus_free(block);
  }
}

TEST(neighbours_do_not_overlap) {
  start_clean();
  enum { N = 64 };
  unsigned char *blocks[N];
  for (int i = 0; i < N; i++) {
    blocks[i] = torus_alloc((size_t)i * 97);
    memset(blocks[i], i, (size_t)i * 97);
  }
  for (int i = 0; i < N; i++) {
    int wrong = 0;
    for (int k = 0; k < i * 97; k++) wrong += blocks[i][k] != i;
    CHECK(wrong == 0, "block %d has %d foreign bytes", i, wrong);
    torus_free(blocks[i]);
  }
}

TEST(counts_what_is_live_and_the_peak) {
  start_clean();
  torus_alloc_stats before = torus_alloc_get_stats();
  void *a = torus_alloc(1 << 20);
  void *b = torus_alloc(1 << 20);
  torus_alloc_stats during = torus_alloc_get_stats();
  CHECK(during.live_blocks == before.live_blocks + 2, "%zu blocks",
        during.live_blocks);
  CHECK(during.live_bytes == before.live_bytes + (2 << 20), "%zu bytes",
        during.live_bytes);
  torus_free(a);
  torus_free(b);
  torus_alloc_stats after = torus_alloc_get_stats();
  CHECK(after.live_blocks == before.live_blocks, "%zu blocks",
        after.live_blocks);
  CHECK(after.live_bytes == before.live_bytes, "%zu bytes", after.live_bytes);
  CHECK(after.peak_bytes >= during.live_bytes, "peak %zu", after.peak_bytes);
}

#ifndef TORUS_NO_POOL
TEST(hands_a_freed_block_out_again) {
  start_clean();
  void *first = torus_alloc(100000);
  torus_free(first);
  size_t cached = torus_alloc_get_stats().cached_bytes;
  CHECK(cached >= 100000, "%zu bytes cached", cached);
  void *second = torus_alloc(99000);
  CHECK(second == first, "another block came");
  CHECK(torus_alloc_get_stats().cached_bytes == 0, "still cached");
  torus_free(second);
}

TEST(keeps_a_bounded_cache) {
  start_clean();
  enum { N = 24 };
  size_t bytes = (size_t)8 << 20;
  void *blocks[N];
  for (int i = 0; i < N; i++) blocks[i] = torus_alloc(bytes);
  for (int i = 0; i < N; i++) torus_free(blocks[i]);
  size_t cached = torus_alloc_get_stats().cached_bytes;
  /* As much as was live halfway, or the fixed minimum: not all of it. */
  CHECK(cached > 0, "nothing is cached");
  CHECK(cached <= N * bytes / 2 + bytes, "%zu bytes cached", cached);
}

enum { BIG = 40 };

/* A step that needs BIG blocks of 8 MiB at once, and small ones before. */
static void step(int small) {
  void *blocks[BIG];
  for (int i = 0; i < small; i++) torus_free(torus_alloc(4000));
  for (int i = 0; i < BIG; i++) blocks[i] = torus_alloc((size_t)8 << 20);
  for (int i = 0; i < BIG; i++) torus_free(blocks[i]);
}

TEST(gives_back_what_lies_idle) {
  start_clean();
  step(0);
  size_t cached = torus_alloc_get_stats().cached_bytes;
  size_t least = (size_t)64 << 20;
  CHECK(cached > 2 * least, "%zu bytes cached", cached);
  /* Two periods at most: the rest of this one and a whole one. */
  for (size_t work = 0; work < 2 * 8 * cached + least; work += 16 << 10)
    torus_free(torus_alloc(4000));
  cached = torus_alloc_get_stats().cached_bytes;
  CHECK(cached <= least, "%zu bytes are still cached", cached);
}

TEST(keeps_what_every_step_needs) {
  start_clean();
  step(0);
  size_t cached = torus_alloc_get_stats().cached_bytes;
  for (int i = 0; i < 200; i++) {
    step(10000);
    size_t now = torus_alloc_get_stats().cached_bytes;
    CHECK(now >= cached, "step %d: %zu of %zu bytes left", i, now, cached);
  }
}
#endif

TEST(trim_empties_the_cache) {
  start_clean();
  torus_free(torus_alloc(1 << 20));
  torus_alloc_trim();
  CHECK(torus_alloc_get_stats().cached_bytes == 0, "still cached");
}

TEST(fails_once_at_the_chosen_allocation) {
  start_clean();
  size_t before = torus_alloc_get_stats().live_blocks;
  torus_alloc_fail_nth(3);
  void *blocks[5];
  for (int i = 0; i < 5; i++) {
    blocks[i] = torus_alloc(10);
    CHECK((blocks[i] == NULL) == (i == 2), "allocation %d", i + 1);
  }
  size_t live = torus_alloc_get_stats().live_blocks - before;
  CHECK(live == 4, "%zu blocks counted", live);
  for (int i = 0; i < 5; i++) torus_free(blocks[i]);
}

TEST(fail_nth_can_be_taken_back) {
  start_clean();
  torus_alloc_fail_nth(1);
  torus_alloc_fail_nth(0);
  void *block = torus_alloc(10);
  CHECK(block != NULL, "failed all the same");
  torus_free(block);
}

TEST(refuses_impossible_sizes) {
  start_clean();
  CHECK(torus_alloc(SIZE_MAX) == NULL, "SIZE_MAX bytes came");
  CHECK(torus_alloc(SIZE_MAX / 2) == NULL, "SIZE_MAX / 2 bytes came");
}

TEST(free_takes_null) { torus_free(NULL); }

static void *churn(void *arg) {
  unsigned char mark = *(unsigned char *)arg;
  uintptr_t wrong = 0;
  for (int i = 0; i < 2000; i++) {
    size_t bytes = 64 + (size_t)(i * 37 % 1000);
    unsigned char *block = torus_alloc(bytes);
    memset(block, mark, bytes);
    for (size_t k = 0; k < bytes; k++) wrong += block[k] != mark;
    torus_free(block);
  }
  return (void *)wrong;
}

TEST(serves_threads_at_once) {
  start_clean();
  size_t before = torus_alloc_get_stats().live_blocks;
  pthread_t threads[4];
  unsigned char marks[4] = {1, 2, 3, 4};
  for (int i = 0; i < 4; i++) {
    pthread_create(&threads[i], NULL, churn, &marks[i]);
  }
  for (int i = 0; i < 4; i++) {
    void *wrong;
    pthread_join(threads[i], &wrong);
    CHECK(wrong == NULL, "thread %d saw foreign bytes", i);
  }
  CHECK(torus_alloc_get_stats().live_blocks == before, "blocks were lost");
}

int main(void) {
  RUN(aligns_blocks_of_every_size);
  RUN(wastes_at_most_a_quarter);
  RUN(neighbours_do_not_overlap);
  RUN(counts_what_is_live_and_the_peak);
#ifndef TORUS_NO_POOL
  RUN(hands_a_freed_block_out_again);
  RUN(keeps_a_bounded_cache);
  RUN(gives_back_what_lies_idle);
  RUN(keeps_what_every_step_needs);
#endif
  RUN(trim_empties_the_cache);
  RUN(fails_once_at_the_chosen_allocation);
  RUN(fail_nth_can_be_taken_back);
  RUN(refuses_impossible_sizes);
  RUN(free_takes_null);
  RUN(serves_threads_at_once);
  start_clean();
  return check_report();
}
