#include "core/shape.h"

#include "check.h"

#include <string.h>

static torus_shape shape(int ndim, const int64_t *size) {
  torus_shape s = {.ndim = ndim};
  memcpy(s.size, size, (size_t)ndim * sizeof *size);
  return s;
}
#define SHAPE(...)                                                             \
  shape((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),             \
        (int64_t[]){__VA_ARGS__})

static const torus_shape scalar = {0};

TEST(counts_elements) {
  torus_shape a = SHAPE(2, 3, 4), none = SHAPE(3, 0, 5);
  CHECK(torus_shape_count(&a) == 24, "got %d", (int)torus_shape_count(&a));
  CHECK(torus_shape_count(&none) == 0, "an empty one");
  CHECK(torus_shape_count(&scalar) == 1, "a scalar");
}

TEST(refuses_sizes_that_overflow) {
  const int64_t big = TORUS_MAX_COUNT;
  torus_shape bad[] = {SHAPE(-1),        SHAPE(big + 1),
                       SHAPE(big, 2),    SHAPE(0, big, big),
                       SHAPE(big, 0, 2), SHAPE(0, -1),
                       SHAPE(INT64_MIN), SHAPE(INT64_MAX, INT64_MAX)};
  torus_shape good[] = {SHAPE(big), SHAPE(0), SHAPE(big, 1, 0), scalar};
  for (int i = 0; i < 8; i++)
    CHECK(!torus_shape_is_valid(&bad[i]), "bad %d", i);
  for (int i = 0; i < 4; i++) {
    CHECK(torus_shape_is_valid(&good[i]), "good %d", i);
  }
}

TEST(makes_row_major_strides) {
  torus_shape a = SHAPE(2, 3, 4);
  int64_t s[TORUS_MAX_DIMS];
  torus_shape_strides(&a, s);
  CHECK(s[0] == 12 && s[1] == 4 && s[2] == 1, "%d %d %d", (int)s[0], (int)s[1],
        (int)s[2]);
}

TEST(broadcasts_from_the_last_dimension) {
  struct {
    torus_shape a, b, joint;
    bool fits;
  } cases[] = {{SHAPE(2, 3), SHAPE(3), SHAPE(2, 3), true},
               {SHAPE(2, 1), SHAPE(1, 4), SHAPE(2, 4), true},
               {scalar, SHAPE(5, 1), SHAPE(5, 1), true},
               {SHAPE(0, 3), SHAPE(1, 3), SHAPE(0, 3), true},
               {SHAPE(1), SHAPE(0), SHAPE(0), true},
               {SHAPE(2), SHAPE(0), scalar, false},
               {SHAPE(2, 3), SHAPE(2), scalar, false}};
  for (int i = 0; i < 7; i++) {
    for (int turned = 0; turned < 2; turned++) {
      torus_shape out;
      const torus_shape *a = &cases[i].a, *b = &cases[i].b;
      bool fits = torus_shape_broadcast(turned ? b : a, turned ? a : b, &out);
      CHECK(fits == cases[i].fits, "case %d", i);
      CHECK(!fits || torus_shape_equal(&out, &cases[i].joint), "case %d", i);
    }
  }
}

TEST(writes_any_shape_as_text) {
  char text[TORUS_SHAPE_TEXT];
  torus_shape a = SHAPE(2, 0, 7), widest = {.ndim = TORUS_MAX_DIMS};
  CHECK(strcmp(torus_shape_format(&a, text), "(2,0,7)") == 0, "%s", text);
  CHECK(strcmp(torus_shape_format(&scalar, text), "()") == 0, "%s", text);
  for (int d = 0; d < TORUS_MAX_DIMS; d++) widest.size[d] = INT64_MIN;
  size_t length = strlen(torus_shape_format(&widest, text));
  CHECK(length == 8 * 20 + 7 + 2, "%zu", length);
}

/* The merged layout visits the same positions in the same order. */
static void check_merge(const torus_layout *layout, int dims) {
  torus_layout merged = *layout;
  torus_layout_merge(&merged);
  int64_t count = 1;
  for (int i = 0; i < layout->ndim; i++) count *= layout->size[i];
  CHECK(merged.ndim == dims, "%d dimensions, not %d", merged.ndim, dims);
  for (int64_t i = 0; i < count; i++) {
    int64_t a = torus_layout_offset(layout, i);
    int64_t b = torus_layout_offset(&merged, i);
    CHECK(a == b, "element %d at %d, not %d", (int)i, (int)b, (int)a);
  }
}

TEST(merging_keeps_every_position) {
  check_merge(&(torus_layout){3, {2, 3, 4}, {12, 4, 1}}, 1);
  check_merge(&(torus_layout){3, {2, 3, 4}, {24, 8, 2}}, 1);
  check_merge(&(torus_layout){3, {2, 3, 4}, {1, 2, 6}}, 3);
  check_merge(&(torus_layout){3, {2, 3, 4}, {20, 4, 1}}, 2);
  check_merge(&(torus_layout){4, {2, 1, 3, 1}, {3, 99, 1, -7}}, 1);
  check_merge(&(torus_layout){2, {3, 4}, {0, 0}}, 1);
  check_merge(&(torus_layout){2, {3, 4}, {0, 1}}, 2);
  check_merge(&(torus_layout){0, {0}, {0}}, 1);
  check_merge(&(torus_layout){2, {1, 1}, {5, 5}}, 1);
}

int main(void) {
  RUN(counts_elements);
  RUN(refuses_sizes_that_overflow);
  RUN(makes_row_major_strides);
  RUN(broadcasts_from_the_last_dimension);
  RUN(writes_any_shape_as_text);
  RUN(merging_keeps_every_position);
  return check_report();
}
