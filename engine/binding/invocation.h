/* A call of a registered operation while its arguments are read. */
#ifndef TORUS_BINDING_INVOCATION_H
#define TORUS_BINDING_INVOCATION_H

#include "autodiff/op.h"
#include "binding/binding.h"

#define TORUS_FEW_INPUTS 8

typedef struct torus_invocation {
  const torus_op *op;
  torus_attrs attrs;
  int inputs;
  torus_tensor **in; /* `few`, or memory on the Lua stack */
  torus_tensor *few[TORUS_FEW_INPUTS];
  /* If an input is a number, few[i] is NULL. */
  double numbers[TORUS_FEW_INPUTS];
  bool numeric;  /* an input is a number */
  bool booleans; /* an input is true or false */
  torus_dtype dtype;
  int ndim; /* of the first input */
} torus_invocation;

/* Reads the parameters, by position from the argument at index on or by name in
 * a table, and the inputs that they add. */
void torus_read_params(lua_State *L, torus_invocation *v, int index);

#endif
