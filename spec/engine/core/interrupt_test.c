#include "core/interrupt.h"

#include "check.h"
#include "core/threads.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { PIECES = 1000 };

static atomic_int ran;
static atomic_int blocked; /* pieces of workers, whose signals are blocked */

static void run_piece(void *arg, int64_t number, int thread) {
  const int64_t *last = arg;
  sigset_t mask;
  ran++;
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  if (thread > 0 && sigismember(&mask, SIGINT)) blocked++;
  if (thread == 0 && sigismember(&mask, SIGINT)) blocked = -PIECES;
  if (number == *last) torus_interrupt_request();
}

TEST(leaves_out_the_pieces_that_are_left) {
  for (int threads = 1; threads <= 4; threads++) {
    int64_t last = 10;
    torus_set_threads(threads);
    ran = 0;
    torus_parallel_interruptible(PIECES, run_piece, &last);
    CHECK(ran > 10 && ran < PIECES, "%d pieces ran", ran);
    torus_interrupt_clear();
    ran = 0;
    last = -1;
    torus_parallel_interruptible(PIECES, run_piece, &last);
    CHECK(ran == PIECES, "%d pieces ran after an interrupt", ran);
  }
}

TEST(finishes_other_jobs) {
  int64_t last = 10;
  torus_set_threads(3);
  ran = 0;
  torus_parallel(PIECES, run_piece, &last);
  CHECK(ran == PIECES, "%d pieces ran", ran);
  torus_interrupt_clear();
}

TEST(fills_a_status) {
  torus_status status = {TORUS_OK, ""};
  CHECK(torus_interrupt_check(&status) && status.code == TORUS_OK,
        "failed without a request");
  torus_interrupt_request();
  CHECK(!torus_interrupt_check(&status), "went on");
  CHECK(status.code == TORUS_EINTERRUPTED, "code %d", status.code);
  CHECK(strcmp(status.message, "interrupted") == 0, "%s", status.message);
  torus_interrupt_clear();
}

TEST(leaves_signals_to_the_program) {
  int64_t last = -1;
  torus_set_threads(4);
  blocked = 0;
  for (int i = 0; i < 200 && blocked == 0; i++) {
    torus_parallel(PIECES, run_piece, &last);
  }
  CHECK(blocked > 0, "a worker accepts signals, or the caller none");
}

int main(void) {
  RUN(leaves_out_the_pieces_that_are_left);
  RUN(finishes_other_jobs);
  RUN(fills_a_status);
  RUN(leaves_signals_to_the_program);
  return check_report();
}
