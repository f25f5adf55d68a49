/* Parallel work over pieces of a fixed size.
 *
 * The pieces of a job depend only on the job, never on the number of threads,
 * and a job that sums keeps one partial result per piece and adds them in order
 * afterwards: results are bit-identical with any number of threads. */
#ifndef TORUS_CORE_THREADS_H
#define TORUS_CORE_THREADS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

#define TORUS_MAX_THREADS 256

/* `thread` is in [0, torus_threads()) and identifies private scratch. */
typedef void torus_piece_fn(void *arg, int64_t piece, int thread);

/* Runs fn for every piece in [0, pieces) and waits. Calls made from inside a
 * piece run on that piece's thread (as thread 0 of their own job), and so do
 * those made by a thread of the program while another one's job runs. */
void torus_parallel(int64_t pieces, torus_piece_fn *fn, void *arg);

/* For long jobs that write only a result which is discarded after an interrupt
 * (core/interrupt.h): the remaining pieces are then skipped, and the caller, or
 * its own caller, checks before using the result. */
void torus_parallel_interruptible(int64_t pieces, torus_piece_fn *fn,
                                  void *arg);

/* Number of threads that jobs of the calling thread use; default: the
 * processors this process may use, or the environment variable TORUS_THREADS,
 * which torus_threads_check validates. */
bool torus_threads_check(torus_status *status);
int torus_threads(void);
void torus_set_threads(int threads);

/* Sets the function that decides whether a number of threads may run pieces at
 * a time, because a kernel needs memory for each; by default always. */
void torus_threads_admit(bool (*admit)(int threads));

#endif
