#include "core/tensor.h"

#include "core/alloc.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Of all threads of the program. */
static _Atomic int64_t live;
static _Atomic uint64_t last_id;

int64_t torus_tensor_live(void) { return atomic_load(&live); }

static void count_live(int change) {
  atomic_fetch_add_explicit(&live, change, memory_order_relaxed);
}

static bool check_shape(const torus_shape *shape, torus_status *status) {
  char text[TORUS_SHAPE_TEXT];
  if (torus_shape_is_valid(shape)) return true;
  return torus_status_fail(status, TORUS_EINVAL,
                           "a tensor can't have the shape %s",
                           torus_shape_format(shape, text));
}

/* A storage in one block with its first tensor, whose memory it keeps, and
 * with few data: small operations allocate once. Sanitizers are to see every
 * tensor end by itself. */
#ifdef TORUS_NO_POOL
#define TOGETHER 0
#else
#define TOGETHER 1
#endif
#define FEW_BYTES 768
#define DATA_OFFSET 256 /* keeps the alignment of blocks */

typedef struct combined {
  torus_storage storage;
  torus_tensor tensor;
} combined;

_Static_assert(sizeof(combined) <= DATA_OFFSET, "the data follow the tensor");

static torus_storage *storage_new(size_t bytes) {
  bool few = TOGETHER && bytes <= FEW_BYTES;
  size_t head = TOGETHER ? sizeof(combined) : sizeof(torus_storage);
  torus_storage *storage = torus_alloc(few ? DATA_OFFSET + bytes : head);
  if (!storage) return NULL;
  void *data = few ? (char *)storage + DATA_OFFSET : torus_alloc(bytes);
  *storage = (torus_storage){1, 0, bytes, data};
  if (!data) {
    torus_free(storage);
    return NULL;
  }
  return storage;
}

static void storage_release(torus_storage *storage) {
  if (--storage->references > 0) return;
  bool few = storage->data == (char *)storage + DATA_OFFSET;
  if (!(TOGETHER && few)) torus_free(storage->data);
  torus_free(storage);
}

static bool is_first(const torus_tensor *tensor) {
  return TOGETHER && tensor == &((combined *)tensor->storage)->tensor;
}

static void tensor_init(torus_tensor *tensor, torus_storage *storage,
                        torus_dtype dtype, const torus_shape *shape) {
  memset(tensor, 0, sizeof *tensor);
  tensor->references = 1;
  tensor->id = 1 + atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed);
  tensor->mark = -1;
  tensor->storage = storage;
  tensor->shape = *shape;
  tensor->dtype = dtype;
  count_live(1);
}

/* The first tensor of a storage. */
static torus_tensor *tensor_around(torus_storage *storage, torus_dtype dtype,
                                   const torus_shape *shape) {
  torus_tensor *tensor =
      TOGETHER ? &((combined *)storage)->tensor : torus_alloc(sizeof *tensor);
  if (tensor) tensor_init(tensor, storage, dtype, shape);
  return tensor;
}

torus_tensor *torus_tensor_new(torus_dtype dtype, const torus_shape *shape,
                               torus_status *status) {
  char text[TORUS_SHAPE_TEXT];
  if (!check_shape(shape, status)) return NULL;
  size_t bytes = (size_t)torus_shape_count(shape) * torus_dtype_size(dtype);
  torus_storage *storage = storage_new(bytes);
  torus_tensor *tensor = storage ? tensor_around(storage, dtype, shape) : NULL;
  if (!tensor) {
    if (storage) storage_release(storage);
    torus_status_fail(status, TORUS_ENOMEM,
                      "out of memory: cannot allocate a %s tensor of shape %s",
                      torus_dtype_name(dtype), torus_shape_format(shape, text));
    return NULL;
  }
  torus_shape_strides(shape, tensor->strides);
  return tensor;
}

torus_tensor *torus_tensor_view(torus_tensor *base, const torus_shape *shape,
                                const int64_t *strides, int64_t offset,
                                torus_status *status) {
  if (!check_shape(shape, status)) return NULL;
  torus_tensor *view = torus_alloc(sizeof *view);
  if (!view) {
    torus_status_fail(status, TORUS_ENOMEM,
                      "out of memory: cannot allocate a view");
    return NULL;
  }
  tensor_init(view, base->storage, base->dtype, shape);
  base->storage->references++;
  memcpy(view->strides, strides, (size_t)shape->ndim * sizeof *strides);
  view->offset = offset;
  return view;
}

torus_tensor *torus_lone_init(torus_lone_element *number, torus_dtype dtype,
                              double value) {
  torus_tensor *x = &number->tensor;
  memset(x, 0, sizeof *x);
  x->references = 1;
  x->mark = -1;
  x->dtype = dtype;
  x->storage = &number->storage;
  number->storage =
      (torus_storage){1, 0, torus_dtype_size(dtype), &number->value};
  if (dtype == TORUS_FLOAT32) {
    number->value.f32 = (float)value;
  } else {
    number->value.f64 = value;
  }
  return x;
}

torus_tensor *torus_tensor_retain(torus_tensor *tensor) {
  if (tensor) tensor->references++;
  return tensor;
}

/* Drops one reference; a tensor that dies joins the list. */
static void drop(torus_tensor *tensor, torus_tensor **dying) {
  assert(tensor->references > 0);
  if (--tensor->references > 0) return;
  tensor->next = *dying;
  *dying = tensor;
}

static void drop_inputs(torus_node *node, torus_tensor **dying) {
  for (int i = 0; i < node->inputs; i++) drop(node->input[i].tensor, dying);
  if (node->saved) drop(node->saved, dying);
  node->saved = NULL;
  if (node->release_kept) node->release_kept(node->kept);
  node->release_kept = NULL;
  node->inputs = 0;
  node->freed = true;
}

static void release_all(torus_tensor *dying) {
  while (dying) {
    torus_tensor *tensor = dying;
    dying = tensor->next;
    if (tensor->node) {
      drop_inputs(tensor->node, &dying);
      torus_free(tensor->node->origin);
      torus_free(tensor->node);
    }
    if (tensor->grad) drop(tensor->grad, &dying);
    bool alone = !is_first(tensor);
    storage_release(tensor->storage);
    if (alone) torus_free(tensor);
    count_live(-1);
  }
}

void torus_tensor_release(torus_tensor *tensor) {
  if (!tensor) return;
  torus_tensor *dying = NULL;
  drop(tensor, &dying);
  release_all(dying);
}

void torus_node_free_inputs(torus_node *node) {
  torus_tensor *dying = NULL;
  drop_inputs(node, &dying);
  release_all(dying);
}

int64_t torus_tensor_integer(const torus_tensor *tensor, int64_t offset) {
  const void *data = torus_tensor_data(tensor);
  switch (tensor->dtype) {
  case TORUS_INT64:
    return ((const int64_t *)data)[offset];
  case TORUS_INT32:
    return ((const int32_t *)data)[offset];
  default:
    return ((const uint8_t *)data)[offset];
  }
}

int64_t torus_tensor_count(const torus_tensor *tensor) {
  return torus_shape_count(&tensor->shape);
}

bool torus_tensor_is_contiguous(const torus_tensor *tensor) {
  int64_t step = 1;
  for (int i = tensor->shape.ndim - 1; i >= 0; i--) {
    int64_t size = tensor->shape.size[i];
    if (size == 0) return true;
    if (size != 1 && tensor->strides[i] != step) return false;
    step *= size;
  }
  return true;
}

torus_layout torus_tensor_layout(const torus_tensor *tensor) {
  return torus_tensor_broadcast_layout(tensor, &tensor->shape);
}

torus_layout torus_tensor_broadcast_layout(const torus_tensor *tensor,
                                           const torus_shape *shape) {
  torus_layout layout = {.ndim = shape->ndim};
  int shift = shape->ndim - tensor->shape.ndim;
  for (int i = 0; i < shape->ndim; i++) {
    layout.size[i] = shape->size[i];
    bool repeated = i < shift || (tensor->shape.size[i - shift] == 1);
    layout.stride[i] = repeated ? 0 : tensor->strides[i - shift];
  }
  return layout;
}

const char *torus_tensor_format(const torus_tensor *tensor,
                                char text[TORUS_TENSOR_TEXT]) {
  char shape[TORUS_SHAPE_TEXT];
  snprintf(text, TORUS_TENSOR_TEXT, "tensor %s %s",
           torus_shape_format(&tensor->shape, shape),
           torus_dtype_name(tensor->dtype));
  return text;
}
