/* Where the system gives no threads. */
#define _GNU_SOURCE
#include "core/threads.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#include "check.h"

static bool refuse;
static int registered;

typedef int creator(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                    void *);

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                   void *(*start)(void *), void *arg) {
  if (refuse) return EAGAIN;
  creator *real = (creator *)dlsym(RTLD_NEXT, "pthread_create");
  return real(thread, attributes, start, arg);
}

int atexit(void (*fn)(void)) {
  (void)fn;
  registered++;
  return 0;
}

static void add_one(void *arg, int64_t piece, int thread) {
  (void)thread;
  ((int *)arg)[piece]++;
}

TEST(work_is_done_and_the_end_is_prepared_once) {
  int runs[8] = {0};
  refuse = true;
  torus_set_threads(4);
  for (int i = 0; i < 100; i++) torus_parallel(8, add_one, runs);
  for (int i = 0; i < 8; i++) CHECK(runs[i] == 100, "piece %d: %d", i, runs[i]);
  CHECK(registered == 1, "%d handlers", registered);
}

int main(void) {
  RUN(work_is_done_and_the_end_is_prepared_once);
  return check_report();
}
