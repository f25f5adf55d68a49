/* Differentiable operations: descriptors, the registry and their application.
 *
 * One operation is one descriptor. Everything that walks the operations (the
 * Lua binding, the docs, the generated specs) walks the registry. */
#ifndef TORUS_AUTODIFF_OP_H
#define TORUS_AUTODIFF_OP_H

#include "core/scope.h"

typedef struct torus_op torus_op;

/* An application of an operation, as a gradient rule sees it. */
typedef struct torus_call {
  const torus_op *op;
  const torus_attrs *attrs;
  int inputs;
  torus_tensor *const *in;
  torus_tensor *out;
  bool record; /* a gradient may be requested later */
  /* What forward saves for the gradient besides inputs and output: it may store
   * one owned tensor here if `record` is set. */
  torus_tensor **saved;
} torus_call;

/* How the parameters of an operation are read from a script. Each uses the
 * next free slot of its type in torus_attrs. */
typedef enum torus_param_kind {
  TORUS_PARAM_INT,    /* attrs.i */
  TORUS_PARAM_FLOAT,  /* attrs.f */
  TORUS_PARAM_BOOL,   /* attrs.i */
  TORUS_PARAM_DTYPE,  /* attrs.i */
  TORUS_PARAM_DIM,    /* attrs.i: from 1, or negative from the end */
  TORUS_PARAM_DIMS,   /* attrs.list: like DIM; all dimensions when absent */
  TORUS_PARAM_LIST,   /* attrs.list: integers, unchanged */
  TORUS_PARAM_CHOICE, /* attrs.i: the index of one of a list of names */
  /* These add inputs, which follow the operation's own in the order of the
     parameters. */
  TORUS_PARAM_SCALAR,  /* attrs.f; or NaN there and an input, a tensor */
  TORUS_PARAM_TENSORS, /* a list of inputs */
  TORUS_PARAM_NETWORKS /* one or two networks: their parameters as inputs, and
                          in two attrs.list a description of each, see
                          hamiltonian/network.h; an empty one is none */
} torus_param_kind;

typedef struct torus_param {
  const char *name;
  torus_param_kind kind;
  bool optional;
  double value; /* the default of an optional number, boolean or choice; NaN:
                   none, the slot then has TORUS_ABSENT or NaN */
} torus_param;

/* An optional integer that was not given and has no default. */
#define TORUS_ABSENT INT64_MIN

#define TORUS_MAX_PARAMS 8

/* The values that the gradients of an operation are computed from. The others
 * may be changed in place in the meantime. */
typedef enum torus_reads {
  TORUS_READS_NOTHING =
      1, /* except shapes, dtypes and what forward has saved */
  TORUS_READS_X = 2,
  TORUS_READS_Y = 4,
  TORUS_READS_Z = 8,
  TORUS_READS_MORE = 16, /* the inputs from the fourth on */
  TORUS_READS_OUT = 32,
  TORUS_READS_INPUTS =
      TORUS_READS_X | TORUS_READS_Y | TORUS_READS_Z | TORUS_READS_MORE
} torus_reads;

struct torus_op {
  const char *name;
  int inputs;          /* minimum number */
  int optional_inputs; /* number of optional ones; -1: any number */
  bool more_inputs;    /* parameters add further ones */
  torus_param params[TORUS_MAX_PARAMS]; /* up to the first without a name */
  /* The names that a parameter of type CHOICE accepts; NULL after the last. */
  const char *(*choice)(int index);
  /* The result, owned by the caller, or NULL after an error. Inputs are
   * floating tensors of one dtype unless `any_dtype` or `operands`. */
  torus_tensor *(*forward)(torus_scope *scope, const torus_call *call);
  /* The dtype that the inputs are first converted to, if they are not floating
   * tensors of one dtype; a NULL input is a number, which does not count. At
   * most TORUS_MAX_OPERANDS inputs. */
  torus_dtype (*operands)(const torus_op *op, torus_tensor *const *in,
                          int inputs);
  bool selects; /* the first input is a condition, of any dtype */
  bool test;    /* the result is a bool */
  /* For operations with several results: forward stores them in one tensor,
   * which the graph records, and part returns result number i of it, a view
   * borrowed from the scope. outputs: their number; 0 if forward's tensor is
   * the result itself. */
  int outputs;
  torus_tensor *(*part)(torus_scope *scope, const torus_call *call, int i);
  /* The gradient of input number i (from 0), borrowed from the scope, written
   * in differentiable operations; it may have the broadcast shape. NULL: the
   * operation has no derivative, and requesting one is an error. */
  torus_tensor *(*gradient)(torus_scope *scope, const torus_call *call, int i,
                            torus_tensor *g);
  /* Instead of `gradient`, if the inputs' gradients are computed together:
   * fills out[i], borrowed from the scope, for every input with wanted[i]. */
  bool (*gradients)(torus_scope *scope, const torus_call *call, torus_tensor *g,
                    const bool *wanted, torus_tensor **out);
  /* Flags of torus_reads, required for every operation with a derivative. */
  int reads;
  /* NULL: gradients of any order. Otherwise only first-order gradients, and
   * this text says what to use for higher orders. */
  const char *first_order;
  /* Forward neither keeps its inputs nor returns views of them. */
  bool fresh;
  /* Locally constant: the result is never part of a graph. */
  bool constant;
  bool any_dtype;
  /* The gradient rule calls a script, which may start another sweep. */
  bool runs_script;
  int code; /* for families of operations that share functions */
  const char *doc;
};

#define TORUS_MAX_OPERANDS 3

/* For `operands`: the joint dtype of all inputs, unchanged, or with float32 for
 * integers and bools. */
torus_dtype torus_operands_joint(const torus_op *op, torus_tensor *const *in,
                                 int inputs);
torus_dtype torus_operands_float(const torus_op *op, torus_tensor *const *in,
                                 int inputs);

/* Applies an operation; the scope owns the result. NULL inputs propagate an
 * earlier error. */
torus_tensor *torus_apply(torus_scope *scope, const torus_op *op,
                          torus_tensor *const *in, int inputs,
                          const torus_attrs *attrs);

/* Result number i (from 0) of an operation with several, from the result of
 * torus_apply for these inputs; a view owned by the scope. */
torus_tensor *torus_apply_part(torus_scope *scope, const torus_op *op,
                               torus_tensor *const *in, int inputs,
                               const torus_attrs *attrs, torus_tensor *packed,
                               int i);

/* The registry, in a fixed order. */
int torus_op_count(void);
const torus_op *torus_op_at(int index);
/* NULL for an unknown name. */
const torus_op *torus_op_find(const char *name);

/* Families of operations; the registry joins them. */
typedef struct torus_op_family {
  const torus_op *ops;
  int count;
} torus_op_family;
extern const torus_op_family torus_elementwise_ops, torus_reduce_ops,
    torus_scan_ops, torus_order_ops, torus_view_ops, torus_join_ops,
    torus_index_ops, torus_linear_ops, torus_conv_ops, torus_pool_ops,
    torus_linalg_ops, torus_spectral_ops, torus_eig_ops, torus_fft_ops,
    torus_decoder_ops, torus_bitwise_ops;

/* Adds a family of a higher layer after those above; repeated calls have no
 * effect. */
void torus_op_add_family(const torus_op_family *family);

/* The reverse sweep. Gradients of sum(grad_output * y) with respect to each
 * target, which may be leaves or intermediate tensors.
 * grad_output: NULL means ones, and then y must have one element.
 * create_graph: the gradients can be differentiated again.
 * retain_graph: y's history stays usable for another sweep.
 * partial: targets count as independent, regardless of how they were computed.
 * out: one gradient for each target, owned by the scope; NULL if y does not
 * depend on it. False after an error. */
typedef struct torus_sweep_options {
  torus_tensor *grad_output;
  bool create_graph, retain_graph, partial;
} torus_sweep_options;

bool torus_grad(torus_scope *scope, torus_tensor *y,
                torus_tensor *const *targets, int count,
                const torus_sweep_options *options, torus_tensor **out);

/* Finds the tensors older than `first` that require a gradient and that y was
 * computed from, without going back further; returns their number. The first
 * `capacity` of them go to out, owned by the scope. -1 after an error. */
int64_t torus_sources(torus_scope *scope, torus_tensor *y,
                      const torus_tensor *first, torus_tensor **out,
                      int64_t capacity);

/* Adds the gradient of y to `.grad` of every leaf that requires one. */
bool torus_backward(torus_scope *scope, torus_tensor *y,
                    const torus_sweep_options *options);

#endif
