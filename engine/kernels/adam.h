/* One step of Adam (Kingma & Ba 2014, algorithm 1) on one array. */
#ifndef TORUS_KERNELS_ADAM_H
#define TORUS_KERNELS_ADAM_H

#include "core/dtype.h"

typedef struct torus_adam {
  double lr, beta1, beta2, eps;
  double weight_decay; /* times the parameter, added to the gradient */
  int64_t step;        /* counts from 1 */
} torus_adam;

/* p: parameters, g: gradient, m and v: moments; contiguous, floating dtype. */
void torus_adam_step(const torus_adam *adam, torus_dtype dtype, int64_t count,
                     void *p, const void *g, void *m, void *v);

#endif
