/* A pool of our own instead of OpenMP's: its threads sleep soon after work
 * ends, and a job never waits for a thread that has not joined it, so that a
 * busy machine slows a job down no more than its share. */
#define _GNU_SOURCE
#include "core/threads.h"

#include "core/interrupt.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

/* How often a waiting thread looks for news before it sleeps: a few tens of
 * microseconds, the distance between operations of a training step. A thread
 * that then slept for less than SHORT_SLEEP waits up to MANY_SPINS from then
 * on: waking it takes about as long as the small operations between two jobs,
 * and on a virtual machine several times that, so that a step would run on one
 * thread or on all depending on when the threads happened to fall asleep. */
#define SPINS 4000
#define MANY_SPINS (8 * SPINS)
#define SHORT_SLEEP 1e-3 /* seconds */

typedef struct job {
  torus_piece_fn *fn;
  void *arg;
  int64_t pieces;
  int workers; /* how many may join */
  int threads; /* as the caller has configured */
  bool interruptible;
} job;

static struct {
  pthread_mutex_t lock;
  pthread_cond_t work, done;
  job job;
  bool open;                   /* the job takes workers */
  _Atomic int64_t next;        /* piece to take */
  _Atomic uint64_t generation; /* counts jobs */
  _Atomic int inside;          /* workers in the job */
  int sleeping, started;
  atomic_bool busy;  /* a caller runs its job */
  bool registered;   /* stop_workers, for the end of the process */
  _Atomic bool stop; /* the process ends */
  pthread_t threads[TORUS_MAX_THREADS];
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .work = PTHREAD_COND_INITIALIZER,
          .done = PTHREAD_COND_INITIALIZER};

/* Whether so many threads may call kernels at a time. */
static bool (*admits)(int threads);

/* Of the calling thread, so that no other changes it between the allocation
 * of scratch and the job that uses it; a worker has its job's. */
static _Thread_local int configured;
static _Thread_local bool in_piece;

static int clamp(long threads) {
  if (threads < 1) return 1;
  return threads > TORUS_MAX_THREADS ? TORUS_MAX_THREADS : (int)threads;
}

static int processors(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return CPU_COUNT(&set);
}

/* What TORUS_THREADS asks for: 0 where it is not set or empty, -1 where it is
 * no number of threads. */
static long wished(const char *text) {
  char *end;
  if (!text || !*text) return 0;
  long threads = strtol(text, &end, 10);
  return *end || threads < 1 || threads > TORUS_MAX_THREADS ? -1 : threads;
}

bool torus_threads_check(torus_status *status) {
  const char *text = getenv("TORUS_THREADS");
  if (wished(text) >= 0) return true;
  return torus_status_fail(status, TORUS_EINVAL,
                           "TORUS_THREADS: expected an integer from 1 to %d, "
                           "got \"%s\"",
                           TORUS_MAX_THREADS, text);
}

int torus_threads(void) {
  if (configured == 0) {
    long threads = wished(getenv("TORUS_THREADS"));
    configured = clamp(threads > 0 ? threads : processors());
  }
  return configured;
}

void torus_set_threads(int threads) { configured = clamp(threads); }

static void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static bool is_abandoned(const job *j) {
  return j->interruptible && torus_interrupted();
}

static void run_pieces(const job *j, int thread) {
  in_piece = true;
  while (!is_abandoned(j)) {
    int64_t piece = atomic_fetch_add(&pool.next, 1);
    if (piece >= j->pieces) break;
    j->fn(j->arg, piece, thread);
  }
  in_piece = false;
}

static bool is_news(uint64_t seen) {
  return atomic_load(&pool.generation) != seen || atomic_load(&pool.stop);
}

/* Looks for a job that is not the one seen, awake for a while, then asleep.
 * Returns with the lock held. spins: for how long, adapted. */
static void await_job(uint64_t seen, int *spins) {
  for (int i = 0; i < *spins && !is_news(seen); i++) {
    pause_briefly();
    /* A longer wait lets others have the processor. */
    if (i >= SPINS && i % 256 == 0) sched_yield();
  }
  pthread_mutex_lock(&pool.lock);
  if (is_news(seen)) return;
  double asleep = seconds();
  while (!is_news(seen)) {
    pool.sleeping++;
    pthread_cond_wait(&pool.work, &pool.lock);
    pool.sleeping--;
  }
  *spins = seconds() - asleep < SHORT_SLEEP ? MANY_SPINS : SPINS;
}

static void *worker(void *arg) {
  int id = (int)(intptr_t)arg; /* from 1; the caller of a job is 0 */
  uint64_t seen = 0;
  int spins = SPINS;
  for (;;) {
    await_job(seen, &spins);
    if (atomic_load(&pool.stop)) break;
    seen = atomic_load(&pool.generation);
    bool join = pool.open && id <= pool.job.workers;
    job mine = pool.job;
    if (join) atomic_fetch_add(&pool.inside, 1);
    pthread_mutex_unlock(&pool.lock);
    if (!join) continue;
    configured = mine.threads;
    run_pieces(&mine, id);
    pthread_mutex_lock(&pool.lock);
    if (atomic_fetch_sub(&pool.inside, 1) == 1) {
      pthread_cond_signal(&pool.done);
    }
    pthread_mutex_unlock(&pool.lock);
  }
  pthread_mutex_unlock(&pool.lock);
  return NULL;
}

/* At the end of the process, so that no thread is left for leak checkers and
 * unloading libraries to trip over. */
static void stop_workers(void) {
  pthread_mutex_lock(&pool.lock);
  atomic_store(&pool.stop, true);
  pthread_cond_broadcast(&pool.work);
  pthread_mutex_unlock(&pool.lock);
  for (int i = 0; i < pool.started; i++) pthread_join(pool.threads[i], NULL);
  pool.started = 0;
}

static void before_fork(void) { pthread_mutex_lock(&pool.lock); }

static void after_fork_in_parent(void) { pthread_mutex_unlock(&pool.lock); }

/* The workers are not in the child, which starts its own when it needs them. A
 * job that another thread has begun will not end there. */
static void after_fork_in_child(void) {
  pthread_mutex_init(&pool.lock, NULL);
  pthread_cond_init(&pool.work, NULL);
  pthread_cond_init(&pool.done, NULL);
  pool.open = false;
  pool.sleeping = pool.started = 0;
  atomic_store(&pool.inside, 0);
  atomic_store(&pool.busy, false);
}

/* With the lock held. */
static void prepare_for_end_and_fork(void) {
  static bool forks;
  if (!forks) {
    forks = pthread_atfork(before_fork, after_fork_in_parent,
                           after_fork_in_child) == 0;
  }
  if (!pool.registered) pool.registered = atexit(stop_workers) == 0;
}

void torus_threads_admit(bool (*admit)(int threads)) { admits = admit; }

/* With the lock held. A thread that can't be started, or for which a kernel
 * lacks memory, is done without. Signals are for the program's own threads:
 * a handler may look at what these are doing. */
static void start_workers(int count) {
  sigset_t all, before;
  prepare_for_end_and_fork();
  if (pool.started >= count) return;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (pool.started < count && !atomic_load(&pool.stop)) {
    if (admits && !admits(pool.started + 2)) break;
    void *id = (void *)(intptr_t)(pool.started + 1);
    if (pthread_create(&pool.threads[pool.started], NULL, worker, id) != 0) {
      break;
    }
    pool.started++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void await_workers(void) {
  for (int i = 0; i < SPINS && atomic_load(&pool.inside) > 0; i++) {
    pause_briefly();
  }
  pthread_mutex_lock(&pool.lock);
  while (atomic_load(&pool.inside) > 0) {
    pthread_cond_wait(&pool.done, &pool.lock);
  }
  pthread_mutex_unlock(&pool.lock);
}

static void run_shared(const job *j) {
  pthread_mutex_lock(&pool.lock);
  start_workers(j->workers);
  pool.job = *j;
  pool.open = true;
  atomic_store(&pool.next, 0);
  atomic_fetch_add(&pool.generation, 1);
  if (pool.sleeping > 0) pthread_cond_broadcast(&pool.work);
  pthread_mutex_unlock(&pool.lock);
  run_pieces(j, 0);
  pthread_mutex_lock(&pool.lock);
  pool.open = false;
  pthread_mutex_unlock(&pool.lock);
  await_workers();
}

static void run_job(job j) {
  int threads = torus_threads();
  if (threads > j.pieces) threads = (int)j.pieces;
  /* One job at a time: the threads of a program that come here meanwhile do
   * their pieces themselves. */
  if (threads > 1 && !in_piece && !atomic_exchange(&pool.busy, true)) {
    j.workers = threads - 1;
    j.threads = torus_threads();
    run_shared(&j);
    atomic_store(&pool.busy, false);
    return;
  }
  for (int64_t i = 0; i < j.pieces && !is_abandoned(&j); i++) j.fn(j.arg, i, 0);
}

void torus_parallel(int64_t pieces, torus_piece_fn *fn, void *arg) {
  run_job((job){.fn = fn, .arg = arg, .pieces = pieces});
}

void torus_parallel_interruptible(int64_t pieces, torus_piece_fn *fn,
                                  void *arg) {
  run_job((job){.fn = fn, .arg = arg, .pieces = pieces, .interruptible = true});
}
