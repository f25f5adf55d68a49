/* Hamiltonians made of small networks, and complete rollouts of them in one
 * call.
 *
 * A network maps a sample to its energy. It is a stack of `layers` linear maps
 * with an activation after each, and a linear read-out:
 *
 *   dense: a_l = s(W_l a_{l-1} + b_l),     E = w . a_L + c
 *   conv:  a_l = s(W_l * a_{l-1} + b_l),   E = <w, a_L> + c
 *
 * where * is a 3x3 convolution with zero padding of one pixel. In addition,
 * there is the energy |x|^2 / 2, `quadratic`, without parameters, where x is
 * all of a sample or its first numbers. Arrays are
 * contiguous, of the Hamiltonian's dtype (float32 or float64), images NHWC:
 *
 *            input        W_l (l < layers)   b_l    w              c
 *   dense    (n, in)      (out, in)          (out)  (1, out)       (1)
 *   conv     (n, h, w, c) (out, in, 3, 3)    (out)  (1, out, h, w) (1)
 *
 * A Hamiltonian is separable, H = K(p) + V(q), where either may be quadratic,
 * or one joint network of q and p, concatenated along the features (dense) or
 * channels (conv). q and p have
 * `torus_hamiltonian_size` numbers per sample.
 *
 * Backward passes are derived by hand, with the equations in stack.inc, and
 * compute first-order gradients only. README.md in this folder is a map of the
 * implementation.
 *
 * Samples are computed in tiles, spread over the threads; the size of a tile
 * and the order in which gradients are summed do not depend on the number of
 * threads, so neither do the bits of a result.
 *
 * Owns nothing; workspace is released before a call returns. Functions that
 * can fail fill the status and return false; outputs are then undefined.
 * Output arrays must not overlap inputs. */
#ifndef TORUS_HAMILTONIAN_FUSED_H
#define TORUS_HAMILTONIAN_FUSED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/dtype.h"
#include "core/status.h"
#include "hamiltonian/scheme.h"

#define TORUS_NET_LAYERS 16

typedef enum torus_net_kind {
  TORUS_NET_DENSE,
  TORUS_NET_CONV,
  TORUS_NET_QUADRATIC /* layers = 0, sizes[0]: numbers in a sample */
} torus_net_kind;

/* Smooth ones, since the gradient is their derivative; swish is x sigmoid(x).
 */
typedef enum torus_activation {
  TORUS_SOFTPLUS,
  TORUS_TANH,
  TORUS_SWISH
} torus_activation;

typedef struct torus_net {
  torus_net_kind kind;
  torus_activation activation;
  int layers;                          /* hidden ones, from 1 */
  int64_t sizes[TORUS_NET_LAYERS + 1]; /* features or channels: input first */
  int64_t height, width;               /* conv; not used by dense */
  int64_t moving; /* quadratic: the first numbers of a sample, of which it is */
  /* One for each hidden layer, then the read-out's. A NULL bias is zero. */
  const void *weights[TORUS_NET_LAYERS + 1];
  const void *biases[TORUS_NET_LAYERS + 1];
} torus_net;

/* Outputs for gradients, overwritten; NULL for gradients that are not wanted.
 */
typedef struct torus_net_grad {
  void *weights[TORUS_NET_LAYERS + 1];
  void *biases[TORUS_NET_LAYERS + 1];
} torus_net_grad;

/* nets: K and V, or the joint network in nets[0]. */
typedef struct torus_hamiltonian {
  torus_dtype dtype;
  bool separable;
  torus_net nets[2];
} torus_hamiltonian;

/* True if sizes, kinds and dtype are consistent, which every function below
 * assumes. */
bool torus_hamiltonian_check(const torus_hamiltonian *h, torus_status *status);
/* Numbers in q, or in p, of one sample. */
int64_t torus_hamiltonian_size(const torus_hamiltonian *h);

/* --- one evaluation --- */

/* Bytes of the tape that the forward pass writes for the backward pass. */
size_t torus_hamiltonian_tape_size(const torus_hamiltonian *h, int64_t batch);

/* dq = dH/dq, dp = dH/dp: (batch, size); energy: (batch) or NULL. If dq and dp
 * are NULL, only the energy is computed. tape: NULL when no backward pass will
 * follow. */
bool torus_hamiltonian_forward(const torus_hamiltonian *h, int64_t batch,
                               const void *q, const void *p, void *dq, void *dp,
                               void *energy, void *tape, torus_status *status);

/* The vector-Jacobian product of all of these, upstream gradients u_dq, u_dp
 * (batch, size; both or neither) and u_energy (batch); NULL is zero.
 * gq, gp: (batch, size), NULL if not wanted; grads: one for each net, or NULL.
 */
bool torus_hamiltonian_backward(const torus_hamiltonian *h, int64_t batch,
                                const void *tape, const void *u_dq,
                                const void *u_dp, const void *u_energy,
                                void *gq, void *gp, const torus_net_grad *grads,
                                torus_status *status);

/* --- rollouts --- */

/* How the backward pass gets the intermediate states:
 * none: there is no backward pass;
 * stored: from the tape. It keeps the activations of every evaluation if these
 *   take at most TORUS_TAPE_LIMIT bytes, otherwise only the arguments of the
 *   evaluations, from which activations are recomputed. The gradient has the
 *   same bits either way;
 * reversible: by integrating backwards from the last state. No tape; memory
 *   does not grow with the number of steps. Splitting schemes only. */
typedef enum torus_backprop {
  TORUS_BACKPROP_NONE,
  TORUS_BACKPROP_STORED,
  TORUS_BACKPROP_REVERSIBLE
} torus_backprop;

#define TORUS_TAPE_LIMIT ((size_t)192 << 20)

typedef struct torus_rollout {
  const torus_hamiltonian *hamiltonian;
  const torus_scheme *scheme;
  int64_t batch, steps; /* from 0 */
  double dt;            /* positive or negative */
  bool energies;        /* also returned */
  bool last_only;       /* returns only the last state */
  torus_backprop backprop;
  /* D of dp/dt = -dH/dq - D dH/dp for each number of p in a sample, or
   * NULL. A splitting scheme, of second order at most and with a quadratic K,
   * has half of the damping, exp(-D dt / 2), before and after each of its
   * steps; a Runge-Kutta scheme has it in the field. */
  const double *friction;
} torus_rollout;

/* Checks the Hamiltonian, and that the scheme and the options fit it. */
bool torus_rollout_check(const torus_rollout *r, torus_status *status);

/* The number of returned states: steps + 1, or 1. */
int64_t torus_rollout_states(const torus_rollout *r);
size_t torus_rollout_tape_size(const torus_rollout *r);

/* q0, p0: (batch, size); q, p: (states, batch, size); energy: H(q, p),
 * (states, batch), if wanted. tape: torus_rollout_tape_size bytes, 64-byte
 * aligned, for the backward pass. */
bool torus_rollout_forward(const torus_rollout *r, const void *q0,
                           const void *p0, void *q, void *p, void *energy,
                           void *tape, torus_status *status);

/* q, p, tape: results of the forward pass. u_q, u_p, u_energy: gradients with
 * respect to its outputs; NULL is zero. gq0, gp0: (batch, size); gdt: one
 * number; gfriction: (size); grads: one for each net. NULL where not wanted. */
bool torus_rollout_backward(const torus_rollout *r, const void *q,
                            const void *p, const void *tape, const void *u_q,
                            const void *u_p, const void *u_energy, void *gq0,
                            void *gp0, double *gdt, double *gfriction,
                            const torus_net_grad *grads, torus_status *status);

#endif
