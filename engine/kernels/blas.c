#define _GNU_SOURCE
#include "kernels/blas.h"

#include <cblas.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>

#include "core/threads.h"

/* OpenBLAS's BUFFER_SIZE on the largest machines, and what aligning it takes.
 */
#define BUFFER ((size_t)130 << 20)

/* Functions of OpenBLAS that no header declares, absent from builds that hide
 * them. A returned buffer is kept for the next caller. */
__attribute__((weak)) void *blas_memory_alloc(int position);
__attribute__((weak)) void blas_memory_free(void *buffer);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int reserved;

static void use_one_thread(void) {
  openblas_set_num_threads(1);
  torus_threads_admit(torus_blas_reserve);
}

void torus_blas_prepare(void) { pthread_once(&once, use_one_thread); }

static bool is_there(size_t bytes) {
  void *probe = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (probe == MAP_FAILED) return false;
  munmap(probe, bytes);
  return true;
}

/* All at once: taken one after the other, they would be the same buffer. */
static void take_and_return(int callers) {
  void *buffers[TORUS_MAX_THREADS];
  for (int i = 0; i < callers; i++) buffers[i] = blas_memory_alloc(0);
  for (int i = 0; i < callers; i++) blas_memory_free(buffers[i]);
}

bool torus_blas_reserve(int callers) {
  pthread_mutex_lock(&lock);
  if (callers > reserved && callers <= TORUS_MAX_THREADS &&
      is_there((size_t)(callers - reserved) * BUFFER)) {
    if (blas_memory_alloc && blas_memory_free) take_and_return(callers);
    reserved = callers;
  }
  bool ok = callers <= reserved;
  pthread_mutex_unlock(&lock);
  return ok;
}
