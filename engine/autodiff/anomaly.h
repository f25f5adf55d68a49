/* Anomaly mode: the first NaN produced by an operation or a gradient rule is an
 * error that names it.
 *
 * The mode belongs to a thread. While it is off in all threads, it costs an
 * operation one load. While it is on, every result is read once more, and
 * histories store where a script made each call. */
#ifndef TORUS_AUTODIFF_ANOMALY_H
#define TORUS_AUTODIFF_ANOMALY_H

#include "autodiff/op.h"

#include <stdatomic.h>

/* Number of threads in which the mode is on. */
extern atomic_int torus_anomaly_threads;
bool torus_anomaly_here(void);

static inline bool torus_anomaly(void) {
  return atomic_load_explicit(&torus_anomaly_threads, memory_order_relaxed) >
             0 &&
         torus_anomaly_here();
}

/* Sets the mode of this thread; returns the previous one. */
bool torus_anomaly_set(bool on);

/* Writes the current position of the script, as file:line; false if unknown.
 * The function is shared by all threads. */
#define TORUS_ORIGIN_TEXT 128
typedef bool torus_locate_fn(char text[TORUS_ORIGIN_TEXT]);
void torus_anomaly_locate_by(torus_locate_fn *locate);

/* Where a node is being recorded, as a text that torus_free releases; NULL:
 * unknown, or no memory. */
char *torus_anomaly_origin(void);

/* Fails if the result of a call contains a NaN. Nothing is checked within a
 * gradient rule, as rules may mask a NaN. */
bool torus_anomaly_check_result(torus_scope *scope, const torus_call *call);

/* Called around the gradient rule of the call that `node` recorded. Anything
 * the rule records is attributed to the position of that call. */
typedef struct torus_anomaly_rule {
  bool active;
  const char *origin;
} torus_anomaly_rule;
torus_anomaly_rule torus_anomaly_enter(const torus_node *node);
void torus_anomaly_leave(torus_anomaly_rule before);

/* Fails if gradient number i of a call, computed from g, contains a NaN. */
bool torus_anomaly_check_gradient(torus_scope *scope, const torus_call *call,
                                  int i, const torus_tensor *g,
                                  const torus_tensor *gradient);

#endif
