#include "core/scope.h"

#include "core/alloc.h"

#include "check.h"

#include <string.h>

static torus_tensor *number(void) {
  torus_status status = {0};
  return torus_tensor_new(TORUS_FLOAT64, &(torus_shape){0}, &status);
}

TEST(owns_what_it_is_given) {
  int64_t live = torus_tensor_live();
  torus_scope scope;
  torus_scope_init(&scope, false);
  torus_tensor *kept = NULL;
  for (int i = 0; i < 100; i++) {
    torus_tensor *x = torus_scope_own(&scope, number());
    if (i == 50) kept = torus_tensor_retain(x);
  }
  CHECK(torus_tensor_live() == live + 100, "not all alive");
  torus_scope_clear(&scope);
  CHECK(torus_tensor_live() == live + 1, "not all dead");
  torus_tensor_release(kept);
  CHECK(torus_scope_own(&scope, NULL) == NULL, "NULL");
  torus_scope_clear(&scope);
}

TEST(one_that_cannot_grow_releases) {
  int64_t live = torus_tensor_live();
  torus_scope scope;
  torus_scope_init(&scope, false);
  for (int i = 0; i < 16; i++) torus_scope_own(&scope, number());
  torus_tensor *x = number();
  torus_alloc_fail_nth(1);
  CHECK(torus_scope_own(&scope, x) == NULL, "was owned");
  torus_alloc_fail_nth(0);
  CHECK(scope.status.code == TORUS_ENOMEM, "code %d", scope.status.code);
  torus_scope_clear(&scope);
  CHECK(torus_tensor_live() == live, "leak");
}

TEST(keeps_the_first_error) {
  torus_scope inner, outer;
  torus_scope_init(&inner, true);
  torus_scope_init(&outer, true);
  torus_scope_pass_error(&outer, &inner);
  CHECK(outer.status.code == TORUS_OK, "an error from nowhere");
  CHECK(torus_scope_fail(&inner, TORUS_EIO, "%s %d", "inner", 1) == NULL,
        "a result");
  torus_scope_fail(&inner, TORUS_EINVAL, "second");
  torus_scope_pass_error(&outer, &inner);
  CHECK(outer.status.code == TORUS_EIO, "code %d", outer.status.code);
  CHECK(strcmp(outer.status.message, "inner 1") == 0, "%s",
        outer.status.message);
  torus_scope_clear(&inner);
  torus_scope_clear(&outer);
}

int main(void) {
  RUN(owns_what_it_is_given);
  RUN(one_that_cannot_grow_releases);
  RUN(keeps_the_first_error);
  return check_report();
}
