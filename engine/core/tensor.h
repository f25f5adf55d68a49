/* Tensors: strided views of shared, reference-counted storage.
 *
 * A tensor may carry its history: the operation that made it and its inputs
 * (a torus_node). A node belongs to exactly one tensor and lives with it.
 * Reference counts are for one thread: a tensor belongs to the thread of its
 * script, and kernels see raw memory. Threads of a program that share no tensor
 * may use the engine at once. */
#ifndef TORUS_CORE_TENSOR_H
#define TORUS_CORE_TENSOR_H

#include "core/dtype.h"
#include "core/shape.h"
#include "core/status.h"

typedef struct torus_storage {
  int64_t references;
  /* Counts in-place writes, so that a gradient that needs overwritten values is
   * an error instead of wrong. */
  int64_t version;
  size_t bytes;
  void *data;
} torus_storage;

typedef struct torus_tensor torus_tensor;
struct torus_op;

/* The parameters of an operation; each operation documents its slots. */
#define TORUS_ATTR_INTS 6
#define TORUS_ATTR_FLOATS 2
#define TORUS_ATTR_LISTS 3
typedef struct torus_attrs {
  int64_t i[TORUS_ATTR_INTS];
  double f[TORUS_ATTR_FLOATS];
  torus_shape list[TORUS_ATTR_LISTS];
} torus_attrs;

typedef struct torus_input {
  torus_tensor *tensor; /* owned */
  int64_t version;      /* of its storage when recorded */
} torus_input;

/* How a tensor was made. */
typedef struct torus_node {
  const struct torus_op *op;
  torus_attrs attrs;
  bool freed;          /* a backward sweep has used and dropped the inputs */
  int64_t out_version; /* of the result's storage when recorded */
  torus_tensor *saved; /* owned; saved by the operation, or NULL */
  /* Anything else with the lifetime of the inputs, and its release function; or
   * NULL. */
  void *kept;
  void (*release_kept)(void *kept);
  char *origin; /* owned: where the call was made, in anomaly mode; or NULL */
  int inputs;
  torus_input input[];
} torus_node;

struct torus_tensor {
  int64_t references;
  uint64_t id;  /* increasing: the inputs of a tensor have smaller ones */
  int64_t mark; /* the index in the order of a sweep, else negative */
  torus_storage *storage;
  int64_t offset; /* of the first element in the storage, in elements */
  torus_shape shape;
  int64_t strides[TORUS_MAX_DIMS]; /* in elements */
  torus_dtype dtype;
  bool requires_grad;
  torus_node *node;   /* NULL for a leaf */
  torus_tensor *grad; /* filled by a backward call; owned; may be NULL */
  torus_tensor *next; /* in the list of dying tensors, see release */
};

/* A contiguous tensor with undefined contents; NULL after an error. */
torus_tensor *torus_tensor_new(torus_dtype dtype, const torus_shape *shape,
                               torus_status *status);

/* A view of the same storage; NULL after an error. The caller owns it. */
torus_tensor *torus_tensor_view(torus_tensor *base, const torus_shape *shape,
                                const int64_t *strides, int64_t offset,
                                torus_status *status);

/* A float tensor with one element in the caller's memory, which must not be
 * retained. */
typedef struct torus_lone_element {
  torus_tensor tensor;
  torus_storage storage;
  union {
    float f32;
    double f64;
  } value;
} torus_lone_element;

torus_tensor *torus_lone_init(torus_lone_element *number, torus_dtype dtype,
                              double value);

torus_tensor *torus_tensor_retain(torus_tensor *tensor);
/* Iterative: histories of rollouts are long chains. NULL is allowed. */
void torus_tensor_release(torus_tensor *tensor);

/* Releases the inputs of a node, which stays as a mark that it was used. */
void torus_node_free_inputs(torus_node *node);

/* The address of the first element. */
static inline void *torus_tensor_data(const torus_tensor *tensor) {
  return (char *)tensor->storage->data +
         (size_t)tensor->offset * torus_dtype_size(tensor->dtype);
}
/* The element at an offset from the first one, of an integer dtype or bool. */
int64_t torus_tensor_integer(const torus_tensor *tensor, int64_t offset);
int64_t torus_tensor_count(const torus_tensor *tensor);
bool torus_tensor_is_contiguous(const torus_tensor *tensor);
torus_layout torus_tensor_layout(const torus_tensor *tensor);
/* The layout of a tensor read as if it had this (broadcast) shape. */
torus_layout torus_tensor_broadcast_layout(const torus_tensor *tensor,
                                           const torus_shape *shape);

/* The description of a tensor for messages: `tensor (3,4) float32`. Returns
 * text. */
#define TORUS_TENSOR_TEXT (TORUS_SHAPE_TEXT + 16)
const char *torus_tensor_format(const torus_tensor *tensor,
                                char text[TORUS_TENSOR_TEXT]);

/* Tensors alive now, for leak checks. */
int64_t torus_tensor_live(void);

#endif
