#define _GNU_SOURCE
#include "core/threads.h"

#include <stdlib.h>

#ifdef _OPENMP
#include <omp.h>
#endif

static int configured;

static int clamp(long threads) {
  if (threads < 1) return 1;
  return threads > TORUS_MAX_THREADS ? TORUS_MAX_THREADS : (int)threads;
}

int torus_threads(void) {
  if (configured == 0) {
    const char *text = getenv("TORUS_THREADS");
    long threads = text ? strtol(text, NULL, 10) : 0;
#ifdef _OPENMP
    if (threads <= 0) threads = omp_get_num_procs();
#endif
    configured = clamp(threads);
  }
  return configured;
}

void torus_set_threads(int threads) { configured = clamp(threads); }

void torus_parallel(int64_t pieces, torus_piece_fn *fn, void *arg) {
#ifdef _OPENMP
  int threads = torus_threads();
  if (threads > pieces) threads = (int)pieces;
  if (threads > 1 && !omp_in_parallel()) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (int64_t i = 0; i < pieces; i++) fn(arg, i, omp_get_thread_num());
    return;
  }
#endif
  for (int64_t i = 0; i < pieces; i++) fn(arg, i, 0);
}
