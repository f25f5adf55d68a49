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
    {TORUS_FLOAT32, "float32", 4, true}, {TORUS_FLOAT64, "float64", 8, true},
    {TORUS_INT64, "int64", 8, false},    {TORUS_UINT8, "uint8", 1, false},
    {TORUS_INT32, "int32", 4, false},    {TORUS_BOOL, "bool", 1, false},
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

TEST(joins_to_the_later_one) {
  static const torus_dtype order[] = {TORUS_BOOL,    TORUS_UINT8,
                                      TORUS_INT32,   TORUS_INT64,
                                      TORUS_FLOAT32, TORUS_FLOAT64};
  for (int i = 0; i < TORUS_DTYPE_COUNT; i++) {
    for (int k = 0; k < TORUS_DTYPE_COUNT; k++) {
      CHECK(torus_dtype_joint(order[i], order[k]) == order[i < k ? k : i],
            "%d with %d", i, k);
    }
  }
}

TEST(holds_its_range) {
  CHECK(torus_dtype_holds(TORUS_BOOL, 1) && !torus_dtype_holds(TORUS_BOOL, 2),
        "bool");
  CHECK(torus_dtype_holds(TORUS_UINT8, 255) &&
            !torus_dtype_holds(TORUS_UINT8, 256) &&
            !torus_dtype_holds(TORUS_UINT8, -1),
        "uint8");
  CHECK(torus_dtype_holds(TORUS_INT32, -0x1p31) &&
            !torus_dtype_holds(TORUS_INT32, 0x1p31),
        "int32");
  CHECK(torus_dtype_holds(TORUS_INT64, -0x1p63) &&
            !torus_dtype_holds(TORUS_INT64, 0x1p63) &&
            !torus_dtype_holds(TORUS_INT64, 0.5),
        "int64");
}

TEST(refuses_other_names) {
  static const char *names[] = {"", "float", "float32 ", "FLOAT32", "int16"};
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
  RUN(joins_to_the_later_one);
  RUN(holds_its_range);
  RUN(refuses_other_names);
  return check_report();
}
