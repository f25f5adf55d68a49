#include "core/threads.h"

#include "check.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIECES = 1000 };

typedef struct job {
  int runs[PIECES];
  double partial[PIECES];
  atomic_int thread_out_of_range;
  atomic_int nested_runs;
  atomic_int nested_not_zero;
} job;

static void count_piece(void *arg, int64_t piece, int thread) {
  job *j = arg;
  j->runs[piece]++;
  if (thread < 0 || thread >= torus_threads()) j->thread_out_of_range++;
}

TEST(runs_each_piece_once) {
  for (int threads = 1; threads <= 4; threads++) {
    static job j;
    memset(&j, 0, sizeof j);
    torus_set_threads(threads);
    torus_parallel(PIECES, count_piece, &j);
    for (int i = 0; i < PIECES; i++) {
      CHECK(j.runs[i] == 1, "piece %d ran %d times", i, j.runs[i]);
    }
    CHECK(j.thread_out_of_range == 0, "thread number out of range");
  }
}

TEST(takes_no_pieces) {
  static job j;
  memset(&j, 0, sizeof j);
  torus_set_threads(2);
  torus_parallel(0, count_piece, &j);
  CHECK(j.runs[0] == 0, "a piece ran");
}

static void sum_piece(void *arg, int64_t piece, int thread) {
  (void)thread;
  job *j = arg;
  double sum = 0;
  for (int64_t i = 0; i < 100; i++) {
    sum += 1.0 / (double)(1 + piece * 100 + i);
  }
  j->partial[piece] = sum;
}

static double harmonic(int threads) {
  static job j;
  torus_set_threads(threads);
  torus_parallel(PIECES, sum_piece, &j);
  double total = 0;
  for (int i = 0; i < PIECES; i++) total += j.partial[i];
  return total;
}

TEST(sums_to_the_same_bits_with_any_number_of_threads) {
  double one = harmonic(1);
  /* H(n) = ln n + gamma + 1/(2n) - ... */
  double expected = log(PIECES * 100.0) + 0.57721566490153286 + 5e-6;
  CHECK(fabs(one - expected) < 1e-9, "%.12g, expected %.12g", one, expected);
  for (int threads = 2; threads <= 5; threads++) {
    double other = harmonic(threads);
    CHECK(memcmp(&one, &other, sizeof one) == 0, "%d threads: %a, not %a",
          threads, other, one);
  }
}

static void inner_piece(void *arg, int64_t piece, int thread) {
  (void)piece;
  job *j = arg;
  j->nested_runs++;
  if (thread != 0) j->nested_not_zero++;
}

static void outer_piece(void *arg, int64_t piece, int thread) {
  (void)piece;
  (void)thread;
  torus_parallel(5, inner_piece, arg);
}

TEST(nested_jobs_stay_on_their_thread) {
  static job j;
  memset(&j, 0, sizeof j);
  torus_set_threads(3);
  torus_parallel(20, outer_piece, &j);
  CHECK(j.nested_runs == 100, "%d inner pieces ran", j.nested_runs);
  CHECK(j.nested_not_zero == 0, "an inner piece was not thread 0");
}

TEST(clamps_the_number_of_threads) {
  torus_set_threads(0);
  CHECK(torus_threads() == 1, "%d", torus_threads());
  torus_set_threads(-5);
  CHECK(torus_threads() == 1, "%d", torus_threads());
  torus_set_threads(1 << 20);
  CHECK(torus_threads() == TORUS_MAX_THREADS, "%d", torus_threads());
  torus_set_threads(2);
  CHECK(torus_threads() == 2, "%d", torus_threads());
}

/* The thread sanitizer follows no thread that a child starts. */
#ifndef __SANITIZE_THREAD__

static bool ends_well(pid_t child) {
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A child ends like any other process: through exit and its handlers. */
TEST(a_child_has_threads_of_its_own) {
  double expected = harmonic(3);
  for (int i = 0; i < 100; i++) {
    pid_t child = fork();
    if (child == 0) exit(i % 2 == 0 || harmonic(3) == expected ? 0 : 1);
    /* Meanwhile the parent goes on. */
    double parent = harmonic(3);
    CHECK(parent == expected, "%a, not %a", parent, expected);
    CHECK(ends_well(child), "child %d", i);
  }
}

static bool admit_two(int threads) { return threads <= 2; }

static void note_thread(void *arg, int64_t piece, int thread) {
  (void)piece;
  int *largest = arg;
  if (thread > *largest) *largest = thread;
}

/* In a child, which has started no thread yet. */
TEST(threads_that_are_not_admitted_are_done_without) {
  pid_t child = fork();
  if (child == 0) {
    int largest = 0;
    torus_threads_admit(admit_two);
    torus_set_threads(5);
    for (int i = 0; i < 200; i++) torus_parallel(64, note_thread, &largest);
    exit(largest <= 1 ? 0 : 1);
  }
  CHECK(ends_well(child), "more than two threads");
}

#endif

int main(void) {
  RUN(runs_each_piece_once);
  RUN(takes_no_pieces);
  RUN(sums_to_the_same_bits_with_any_number_of_threads);
  RUN(nested_jobs_stay_on_their_thread);
  RUN(clamps_the_number_of_threads);
#ifndef __SANITIZE_THREAD__
  RUN(a_child_has_threads_of_its_own);
  RUN(threads_that_are_not_admitted_are_done_without);
#endif
  return check_report();
}
