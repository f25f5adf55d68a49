/* A scope owns the temporaries of a computation and its error.
 *
 * Operations take a scope, transfer their result to it and return it borrowed,
 * or return NULL after an error. They also accept and propagate NULL inputs, so
 * that an expression of operations needs only one check at its end. Anything
 * that must outlive the scope is retained before the scope is cleared. */
#ifndef TORUS_CORE_SCOPE_H
#define TORUS_CORE_SCOPE_H

#include "core/tensor.h"

typedef struct torus_scope {
  torus_status status;
  bool record; /* operations record their history */
  int64_t count, capacity;
  torus_tensor **owned;
  torus_tensor *small[16]; /* most scopes need no more */
} torus_scope;

void torus_scope_init(torus_scope *scope, bool record);
/* Releases everything the scope owns; the status stays readable. */
void torus_scope_clear(torus_scope *scope);

/* Transfers a tensor to the scope and returns it; NULL is returned unchanged.
 */
torus_tensor *torus_scope_own(torus_scope *scope, torus_tensor *tensor);

/* Records an error and returns NULL. */
__attribute__((format(printf, 3, 4))) torus_tensor *
torus_scope_fail(torus_scope *scope, torus_code code, const char *format, ...);

/* Moves the error of an inner scope, if any, to the outer one. */
void torus_scope_pass_error(torus_scope *outer, const torus_scope *inner);

#endif
