#include "core/dtype.h"

#include "check.h"

#include <string.h>

/* Said again by hand: the names and sizes are part of file formats. */
static const struct {
  torus_dtype dtype;
  const char *name;
  size_t size;
  bool is_float;
} expected[] = {
    {TORUS_FLOAT32, "float32", 4, true},
    {TORUS_FLOAT64, "float64", 8, true},
    {TORUS_INT64, "int64", 8, false},
    {TORUS_UINT8, "uint8", 1, false},
};

TEST(lists_every_dtype) {
  CHECK(sizeof expected / sizeof expected[0] == TORUS_DTYPE_COUNT, "%d dtypes",
        TORUS_DTYPE_COUNT);
}

TEST(describes_each) {
  for (int i = 0; i < TORUS_DTYPE_COUNT; i++) {
    torus_dtype d = expected[i].dtype;
    CHECK(strcmp(torus_dtype_name(d), expected[i].name) == 0, "%s",
          expected[i].name);
    CHECK(torus_dtype_size(d) == expected[i].size, "%s", expected[i].name);
    CHECK(torus_dtype_is_float(d) == expected[i].is_float, "%s",
          expected[i].name);
  }
}

TEST(parses_its_own_names) {
  for (int i = 0; i < TORUS_DTYPE_COUNT; i++) {
    torus_dtype got = TORUS_DTYPE_COUNT;
    bool ok = torus_dtype_parse(expected[i].name, &got);
    CHECK(ok && got == expected[i].dtype, "%s", expected[i].name);
  }
}

TEST(refuses_other_names) {
  static const char *names[] = {"", "float", "float32 ", "FLOAT32", "int32"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    torus_dtype got = TORUS_FLOAT64;
    CHECK(!torus_dtype_parse(names[i], &got), "'%s' was taken", names[i]);
    CHECK(got == TORUS_FLOAT64, "'%s' wrote a result", names[i]);
  }
}

int main(void) {
  RUN(lists_every_dtype);
  RUN(describes_each);
  RUN(parses_its_own_names);
  RUN(refuses_other_names);
  return check_report();
}
