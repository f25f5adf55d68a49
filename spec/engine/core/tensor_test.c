#include "core/tensor.h"

#include "core/alloc.h"

#include "check.h"

#include <string.h>

static torus_tensor *matrix(int64_t rows, int64_t columns) {
  torus_status status = {0};
  torus_shape shape = {2, {rows, columns}};
  return torus_tensor_new(TORUS_FLOAT64, &shape, &status);
}

TEST(a_new_one_is_contiguous) {
  torus_tensor *x = matrix(2, 3);
  CHECK(x->references == 1 && x->storage->references == 1, "counts");
  CHECK(x->storage->bytes == 48, "%zu bytes", x->storage->bytes);
  CHECK(torus_tensor_is_contiguous(x), "is not");
  CHECK(x->strides[0] == 3 && x->strides[1] == 1, "strides");
  CHECK(torus_tensor_count(x) == 6, "count");
  torus_tensor_release(x);
}

TEST(later_ones_have_larger_ids) {
  torus_tensor *x = matrix(1, 1), *y = matrix(1, 1);
  CHECK(y->id > x->id, "%d after %d", (int)y->id, (int)x->id);
  torus_tensor_release(y);
  torus_tensor_release(x);
}

TEST(a_view_keeps_the_storage) {
  torus_status status = {0};
  int64_t live = torus_tensor_live();
  size_t blocks = torus_alloc_get_stats().live_blocks;
  torus_tensor *x = matrix(2, 3);
  ((double *)torus_tensor_data(x))[5] = 7;
  torus_shape turned = {2, {3, 2}};
  torus_tensor *view =
      torus_tensor_view(x, &turned, (int64_t[]){1, 3}, 0, &status);
  torus_shape scalar = {0};
  torus_tensor *last =
      torus_tensor_view(x, &scalar, (int64_t[]){0}, 5, &status);
  torus_tensor_release(x);
  CHECK(view->storage->references == 2, "%d", (int)view->storage->references);
  CHECK(!torus_tensor_is_contiguous(view), "turned and contiguous");
  CHECK(*(double *)torus_tensor_data(last) == 7, "%g",
        *(double *)torus_tensor_data(last));
  torus_tensor_release(view);
  torus_tensor_release(last);
  CHECK(torus_tensor_live() == live, "tensors leak");
  CHECK(torus_alloc_get_stats().live_blocks == blocks, "blocks leak");
}

TEST(strides_of_size_one_and_empty_do_not_matter) {
  torus_status status = {0};
  torus_tensor *x = matrix(2, 3);
  torus_shape row = {2, {1, 3}}, none = {2, {0, 3}};
  torus_tensor *a = torus_tensor_view(x, &row, (int64_t[]){77, 1}, 0, &status);
  torus_tensor *b = torus_tensor_view(x, &none, (int64_t[]){77, 1}, 0, &status);
  CHECK(torus_tensor_is_contiguous(a) && torus_tensor_is_contiguous(b), "not");
  torus_tensor_release(a);
  torus_tensor_release(b);
  torus_tensor_release(x);
}

TEST(repeats_with_stride_zero) {
  torus_tensor *x = matrix(1, 3);
  torus_shape wide = {3, {4, 2, 3}};
  torus_layout l = torus_tensor_broadcast_layout(x, &wide);
  CHECK(l.ndim == 3 && l.stride[0] == 0 && l.stride[1] == 0 && l.stride[2] == 1,
        "%d %d %d", (int)l.stride[0], (int)l.stride[1], (int)l.stride[2]);
  torus_tensor_release(x);
}

TEST(impossible_shapes_are_refused) {
  torus_shape shapes[] = {{1, {-1}}, {2, {INT64_MAX, INT64_MAX}}, {2, {0, -5}}};
  for (int i = 0; i < 3; i++) {
    torus_status status = {0};
    torus_tensor *x = torus_tensor_new(TORUS_FLOAT32, &shapes[i], &status);
    CHECK(!x && status.code == TORUS_EINVAL, "%d: %s", i, status.message);
  }
  torus_status status = {0};
  torus_shape huge = {1, {TORUS_MAX_COUNT}};
  torus_tensor *x = torus_tensor_new(TORUS_FLOAT64, &huge, &status);
  CHECK(!x && status.code == TORUS_ENOMEM, "%s", status.message);
}

TEST(failed_allocations_leave_nothing) {
  const torus_shape shapes[] = {{1, {4}}, {1, {4000}}};
  for (int i = 0; i < 2; i++) {
    size_t blocks = torus_alloc_get_stats().live_blocks;
    torus_tensor *x = NULL;
    int n = 0;
    while (!x && n < 9) {
      torus_status status = {0};
      torus_alloc_fail_nth(++n);
      x = torus_tensor_new(TORUS_FLOAT32, &shapes[i], &status);
      torus_alloc_fail_nth(0);
      if (x) break;
      CHECK(status.code == TORUS_ENOMEM, "allocation %d: %s", n,
            status.message);
      CHECK(torus_alloc_get_stats().live_blocks == blocks, "allocation %d", n);
    }
    CHECK(x && n >= 2, "%d allocations", n - 1);
    torus_tensor_release(x);
    CHECK(torus_alloc_get_stats().live_blocks == blocks, "released");
  }
}

/* Few data are in one block with the tensor that made them. */
TEST(views_outlive_the_tensor_they_were_taken_of) {
  const torus_shape shapes[] = {{1, {4}}, {1, {4000}}};
  for (int i = 0; i < 2; i++) {
    size_t bytes = torus_alloc_get_stats().live_bytes;
    torus_status status = {0};
    torus_tensor *x = torus_tensor_new(TORUS_FLOAT32, &shapes[i], &status);
    float *data = torus_tensor_data(x);
    CHECK((uintptr_t)data % 64 == 0, "alignment");
    for (int64_t k = 0; k < shapes[i].size[0]; k++) data[k] = (float)k;
    torus_shape part = {1, {2}};
    int64_t step = 1;
    torus_tensor *view = torus_tensor_view(x, &part, &step, 2, &status);
    torus_tensor_release(x);
    torus_tensor *other = torus_tensor_new(TORUS_FLOAT32, &shapes[i], &status);
    memset(torus_tensor_data(other), 0, (size_t)shapes[i].size[0] * 4);
    const float *seen = torus_tensor_data(view);
    CHECK(seen[0] == 2 && seen[1] == 3, "%g %g", (double)seen[0],
          (double)seen[1]);
    torus_tensor_release(other);
    torus_tensor_release(view);
    CHECK(torus_alloc_get_stats().live_bytes == bytes, "leaks");
  }
}

/* A history by hand: each tensor made from the one before. */
TEST(long_histories_die_without_recursion) {
  int64_t live = torus_tensor_live();
  torus_tensor *x = matrix(1, 1);
  for (int i = 0; i < 300000; i++) {
    torus_status status = {0};
    torus_tensor *y = torus_tensor_view(x, &x->shape, x->strides, 0, &status);
    torus_node *node = torus_alloc(sizeof *node + sizeof(torus_input));
    *node = (torus_node){.inputs = 1};
    node->input[0] = (torus_input){x, 0}; /* our reference goes there */
    y->node = node;
    x = y;
  }
  torus_tensor_release(x);
  CHECK(torus_tensor_live() == live, "%d left",
        (int)(torus_tensor_live() - live));
}

int main(void) {
  RUN(a_new_one_is_contiguous);
  RUN(later_ones_have_larger_ids);
  RUN(a_view_keeps_the_storage);
  RUN(strides_of_size_one_and_empty_do_not_matter);
  RUN(repeats_with_stride_zero);
  RUN(impossible_shapes_are_refused);
  RUN(failed_allocations_leave_nothing);
  RUN(views_outlive_the_tensor_they_were_taken_of);
  RUN(long_histories_die_without_recursion);
  return check_report();
}
