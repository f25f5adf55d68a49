/* Matrix products of sizes that no spec has memory for. */
#include "autodiff/build.h"

#include <string.h>

#include "check.h"

/* Views claim more elements than their storage has: nothing may read them. */
static torus_tensor *claim(torus_scope *scope, int64_t rows, int64_t columns) {
  torus_shape one = {1, {1}}, shape = {2, {rows, columns}};
  int64_t strides[] = {columns, 1};
  torus_tensor *x = torus_tensor_new(TORUS_FLOAT32, &one, &scope->status);
  torus_scope_own(scope, x);
  return torus_scope_own(
      scope, torus_tensor_view(x, &shape, strides, 0, &scope->status));
}

TEST(sizes_beyond_int_are_refused) {
  const int64_t big = (int64_t)1 << 31;
  const int64_t sizes[][4] = {
      {1, big, big, 1}, {1, 2 * big + 1, 2 * big + 1, 1}, {1, 1, 1, big}};
  for (int i = 0; i < 3; i++) {
    torus_scope scope;
    torus_scope_init(&scope, false);
    torus_tensor *a = claim(&scope, sizes[i][0], sizes[i][1]);
    torus_tensor *b = claim(&scope, sizes[i][2], sizes[i][3]);
    CHECK(torus_matmul(&scope, a, b) == NULL, "product %d", i);
    CHECK(scope.status.code == TORUS_EINVAL, "code %d", scope.status.code);
    CHECK(strstr(scope.status.message, "matmul: expected sizes"), "%s",
          scope.status.message);
    torus_scope_clear(&scope);
  }
  CHECK(torus_tensor_live() == 0, "%d leak", (int)torus_tensor_live());
}

int main(void) {
  RUN(sizes_beyond_int_are_refused);
  return check_report();
}
