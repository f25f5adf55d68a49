/* A request to abandon the running engine call, as made by Ctrl-C.
 *
 * A signal handler makes the request, long calls poll, and the caller that
 * enabled requests clears it before the next call. Until then the request
 * remains set: calls end with TORUS_EINTERRUPTED whether or not they noticed
 * it, so that incomplete results are never returned. */
#ifndef TORUS_CORE_INTERRUPT_H
#define TORUS_CORE_INTERRUPT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "core/status.h"

extern atomic_bool torus_interrupt_requested;

/* From signal handlers too. */
static inline void torus_interrupt_request(void) {
  atomic_store_explicit(&torus_interrupt_requested, true, memory_order_relaxed);
}

static inline void torus_interrupt_clear(void) {
  atomic_store_explicit(&torus_interrupt_requested, false,
                        memory_order_relaxed);
}

/* Cheap enough for every step of a rollout. From any thread. */
static inline bool torus_interrupted(void) {
  return atomic_load_explicit(&torus_interrupt_requested, memory_order_relaxed);
}

/* True to continue; false after a request, with the status filled. */
static inline bool torus_interrupt_check(torus_status *status) {
  return !torus_interrupted() ||
         torus_status_fail(status, TORUS_EINTERRUPTED, "interrupted");
}

#endif
