#define _GNU_SOURCE
#include "kernels/blas.h"

#include "check.h"
#include "core/threads.h"
#include "kernels/gemm.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define N 300

static float a[N * N], b[N * N], c[N * N];

static double product_sum(int threads) {
  torus_set_threads(threads);
  torus_gemm_parallel_f32(false, false, N, N, N, 1, a, N, b, N, 0, c, N);
  double sum = 0;
  for (int i = 0; i < N * N; i++) sum += (double)c[i] * (i % 7);
  return sum;
}

TEST(threads_multiply_as_one) {
  double expected = product_sum(1);
  CHECK(product_sum(3) == expected, "other numbers");
}

/* The thread sanitizer follows no thread that a child starts. */
#ifndef __SANITIZE_THREAD__
static bool ends_well(pid_t child) {
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(a_child_multiplies) {
  double expected = product_sum(3);
  for (int i = 0; i < 20; i++) {
    pid_t child = fork();
    if (child == 0) exit(product_sum(3) == expected ? 0 : 1);
    CHECK(ends_well(child), "child %d", i);
  }
  CHECK(product_sum(3) == expected, "other numbers afterwards");
}
#endif

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static size_t address_space(void) {
  FILE *f = fopen("/proc/self/statm", "r");
  unsigned long pages = 0;
  if (!f || fscanf(f, "%lu", &pages) != 1) pages = 0;
  if (f) fclose(f);
  return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void limit(size_t more) {
  struct rlimit l = {address_space() + more, address_space() + more};
  setrlimit(RLIMIT_AS, &l);
}

/* 20 MB: too few for a buffer, or for a thread with one. */
TEST(little_address_space_is_no_endless_loop) {
  double expected = product_sum(1);
  pid_t child = fork();
  if (child == 0) {
    alarm(60);
    limit((size_t)20 << 20);
    if (torus_blas_reserve(200)) exit(2);
    exit(product_sum(8) == expected ? 0 : 1);
  }
  CHECK(ends_well(child), "it hangs, or has other numbers");
}
#endif

int main(void) {
  for (int i = 0; i < N * N; i++) {
    a[i] = (float)(i % 13) / 13;
    b[i] = (float)(i % 17) / 17;
  }
  torus_blas_prepare();
  CHECK(torus_blas_reserve(1), "no buffer");
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  RUN(little_address_space_is_no_endless_loop);
#endif
#ifndef __SANITIZE_THREAD__
  RUN(a_child_multiplies);
#endif
  RUN(threads_multiply_as_one);
  return check_report();
}
