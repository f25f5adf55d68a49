/* New tensors: from tables, filled, random, from bytes. */
#include "autodiff/build.h"
#include "binding/binding.h"
#include "core/rng.h"
#include "kernels/move.h"
#include "kernels/random.h"

#include <math.h>
#include <string.h>

typedef struct creation {
  const char *operation;
  torus_dtype dtype;
  bool typed; /* the options name the dtype */
  bool requires_grad;
  torus_shape shape;
  double a, b; /* value; first and step */
  double last; /* of linspace, free of rounding */
  torus_rng *rng;
  int kind;
  const char *bytes;
} creation;

enum { FULL, RAND, RANDN, RAMP, LINSPACE, EYE, RANDPERM, BYTES };

/* Reads {dtype =, requires_grad =, generator =} at index. */
static void read_options(lua_State *L, int index, creation *c) {
  static const char *const keys[] = {"dtype", "requires_grad", "generator",
                                     NULL};
  torus_check_keys(L, index, c->operation, keys);
  if (!lua_isnoneornil(L, index + 1)) {
    torus_raise_text(L, "%s: too many arguments, the first one too many is %s",
                     c->operation, torus_describe(L, index + 1));
  }
  c->rng = torus_option_generator(L, index, c->operation);
  if (lua_type(L, index) != LUA_TTABLE) return;
  if (torus_option(L, index, "dtype") != LUA_TNIL) {
    c->dtype = torus_check_dtype(L, lua_gettop(L), c->operation);
    c->typed = true;
  }
  torus_option(L, index, "requires_grad");
  c->requires_grad = lua_toboolean(L, -1);
  lua_pop(L, 2);
  if (c->requires_grad && !torus_dtype_is_float(c->dtype)) {
    torus_raise_text(
        L,
        "%s: expected float32 or float64 with requires_grad, got the dtype %s",
        c->operation, torus_dtype_name(c->dtype));
  }
}

static void check_shape(lua_State *L, const creation *c) {
  for (int d = 0; d < c->shape.ndim; d++) {
    if (c->shape.size[d] < 0) {
      torus_raise_text(L, "%s: expected sizes from 0, got %lld", c->operation,
                       (long long)c->shape.size[d]);
    }
  }
}

/* A shape as a table or as numbers; returns the index after it. */
static int read_shape(lua_State *L, int index, creation *c) {
  if (lua_isnoneornil(L, index)) return index;
  index += torus_check_list(L, index, c->operation, "the shape", &c->shape);
  check_shape(L, c);
  return index;
}

static void need_float(lua_State *L, const creation *c) {
  if (!torus_dtype_is_float(c->dtype)) {
    torus_raise_text(L, "%s: expected the dtype float32 or float64, got %s",
                     c->operation, torus_dtype_name(c->dtype));
  }
}

static void fill_random(const creation *c, torus_tensor *out) {
  void *data = torus_tensor_data(out);
  int64_t count = torus_tensor_count(out);
  bool f32 = out->dtype == TORUS_FLOAT32;
  if (c->kind == RANDPERM) {
    torus_rng_permutation(c->rng, data, count, 1);
  } else if (c->kind == RAND) {
    if (f32) {
      torus_random_uniform_f32(c->rng, data, count);
    } else {
      torus_random_uniform_f64(c->rng, data, count);
    }
  } else if (f32) {
    torus_random_normal_f32(c->rng, data, count);
  } else {
    torus_random_normal_f64(c->rng, data, count);
  }
}

/* Element i is a + b i. */
static torus_tensor *ramp(torus_scope *scope, const creation *c) {
  torus_tensor *wide =
      torus_tensor_new(TORUS_FLOAT64, &c->shape, &scope->status);
  if (!torus_scope_own(scope, wide)) return NULL;
  double *data = torus_tensor_data(wide);
  int64_t count = torus_tensor_count(wide);
  bool overflows = !isfinite(c->b);
  for (int64_t i = 0; i < count; i++) {
    double share = overflows ? (double)i / (double)(count - 1) : 0;
    data[i] = overflows ? c->a * (1 - share) + c->last * share
                        : c->a + c->b * (double)i;
  }
  if (c->kind == LINSPACE && count > 1) data[count - 1] = c->last;
  return torus_to(scope, wide, c->dtype);
}

static torus_tensor *eye_of(torus_scope *scope, const creation *c) {
  torus_tensor *out = torus_filled(scope, c->dtype, &c->shape, 0);
  if (!out) return NULL;
  int64_t n = c->shape.size[0];
  torus_layout diagonal = {1, {n}, {n + 1}};
  torus_move_fill(c->dtype, torus_tensor_data(out), &diagonal, 1);
  return out;
}

/* A bool from elsewhere may be any byte; kernels count on 0 and 1. */
static void normalise(torus_tensor *out) {
  uint8_t *data = torus_tensor_data(out);
  int64_t count = torus_tensor_count(out);
  for (int64_t i = 0; i < count; i++) data[i] = data[i] != 0;
}

static torus_tensor *create(torus_scope *scope, void *arg) {
  const creation *c = arg;
  scope->record = false;
  torus_tensor *out = NULL;
  if (c->kind == FULL) {
    out = torus_filled(scope, c->dtype, &c->shape, c->a);
  } else if (c->kind == RAMP || c->kind == LINSPACE) {
    out = ramp(scope, c);
  } else if (c->kind == EYE) {
    out = eye_of(scope, c);
  } else {
    out = torus_tensor_new(c->dtype, &c->shape, &scope->status);
    out = torus_scope_own(scope, out);
    if (out && c->kind == BYTES) {
      memcpy(torus_tensor_data(out), c->bytes, out->storage->bytes);
      if (c->dtype == TORUS_BOOL) normalise(out);
    } else if (out) {
      fill_random(c, out);
    }
  }
  if (out) out->requires_grad = c->requires_grad;
  return out;
}

static int push_created(lua_State *L, creation *c) {
  return torus_push_result(L, create, c);
}

/* f(shape[, options]) */
static int shaped(lua_State *L, creation *c) {
  int options = read_shape(L, 1, c);
  read_options(L, options, c);
  if (c->kind != FULL) need_float(L, c);
  return push_created(L, c);
}

/*** Makes a tensor of zeros.
 * @function torus.zeros
 * @tparam {integer,...} shape a list, or the sizes as arguments: `zeros({2,
 * 3})`, `zeros(2, 3)`; without sizes a scalar
 * @tparam[opt] table opts dtype="float32" or another one; requires_grad=false
 * @treturn tensor
 * @raise when a size is negative, an option unknown, or requires_grad is set
 * for integers
 * @usage
 * x = torus.zeros(2, 3)
 * y = torus.zeros({2, 3}, { dtype = "float64", requires_grad = true })
 */
static int zeros(lua_State *L) {
  return shaped(L, &(creation){.operation = "zeros", .kind = FULL});
}

/*** Makes a tensor of ones.
 * @function torus.ones
 * @tparam {integer,...} shape a list, or the sizes as arguments: `ones({2,
 * 3})`, `ones(2, 3)`; without sizes a scalar
 * @tparam[opt] table opts dtype="float32" or another one; requires_grad=false
 * @treturn tensor
 * @raise when a size is negative, an option unknown, or requires_grad is set
 * for integers
 * @usage x = torus.ones(2, 3)
 */
static int ones(lua_State *L) {
  return shaped(L, &(creation){.operation = "ones", .kind = FULL, .a = 1});
}

/*** Draws uniform random numbers in [0, 1).
 *
 * The numbers depend only on the generator's seed and position, not on the
 * number of threads.
 * @function torus.rand
 * @tparam {integer,...} shape a list, or the sizes as arguments: `rand({2,
 * 3})`, `rand(2, 3)`; without sizes a scalar
 * @tparam[opt] table opts dtype="float32" or "float64"; requires_grad=false;
 * generator (default: the global one, see manual_seed)
 * @treturn tensor
 * @raise when a size is negative or an option unknown
 * @usage
 * x = torus.rand(2, 3)
 * y = torus.rand(2, 3, { generator = torus.generator(7) })
 */
static int rand_(lua_State *L) {
  return shaped(L, &(creation){.operation = "rand", .kind = RAND});
}

/*** Draws normal random numbers with mean 0 and variance 1.
 * @function torus.randn
 * @tparam {integer,...} shape a list, or the sizes as arguments: `randn({2,
 * 3})`, `randn(2, 3)`; without sizes a scalar
 * @tparam[opt] table opts dtype="float32" or "float64"; requires_grad=false;
 * generator (default: the global one, see manual_seed)
 * @treturn tensor
 * @raise when a size is negative or an option unknown
 * @usage x = torus.randn({2, 3}, { dtype = "float64" })
 */
static int randn(lua_State *L) {
  return shaped(L, &(creation){.operation = "randn", .kind = RANDN});
}

/*** Makes a tensor filled with a number.
 * @function torus.full
 * @tparam {integer,...} shape
 * @tparam number|boolean value true or false makes a bool tensor
 * @tparam[opt] table opts dtype="float32" or another one; requires_grad=false
 * @treturn tensor
 * @raise when the dtype cannot represent the value
 * @usage x = torus.full({2, 2}, 0.5)
 */
static int full(lua_State *L) {
  creation c = {.operation = "full", .kind = FULL};
  torus_check_list(L, 1, c.operation, "the shape", &c.shape);
  if (lua_type(L, 1) != LUA_TTABLE) {
    return torus_raise_text(L, "full: expected a table as the shape, got %s",
                            torus_describe(L, 1));
  }
  check_shape(L, &c);
  bool boolean = lua_type(L, 2) == LUA_TBOOLEAN;
  if (!boolean) torus_check_number(L, 2, c.operation, "the value");
  read_options(L, 3, &c);
  if (boolean && !c.typed) c.dtype = TORUS_BOOL;
  c.a = torus_check_element(L, 2, c.operation, c.dtype);
  return push_created(L, &c);
}

/* A range of integers has integer ends and steps: rounded, they would be no
 * equal ones. */
static void check_integers(lua_State *L, const creation *c, double first,
                           double step) {
  if (torus_dtype_is_float(c->dtype)) return;
  if (first == floor(first) && step == floor(step)) return;
  torus_raise_text(L, "%s: expected integers for %s, got numbers from %g by %g",
                   c->operation, torus_dtype_name(c->dtype), first, step);
}

/* Both ends of a range lie within an integer dtype. */
static void check_range(lua_State *L, const creation *c, double first,
                        double last) {
  double low = first < last ? first : last, high = first < last ? last : first;
  if (torus_dtype_is_float(c->dtype)) return;
  if (torus_dtype_holds(c->dtype, trunc(low)) &&
      torus_dtype_holds(c->dtype, trunc(high))) {
    return;
  }
  torus_raise_text(L, "%s: expected numbers of %s, got the range from %g to %g",
                   c->operation, torus_dtype_name(c->dtype), first, last);
}

/*** Makes equally spaced numbers; both ends are included.
 * @function torus.arange
 * @tparam[opt=1] number first
 * @tparam number last
 * @tparam[opt=1] number step
 * @tparam[opt] table opts dtype="float32" or another one; requires_grad=false
 * @treturn tensor one dimension
 * @raise when the step is 0 or not finite, or when the dtype cannot represent a
 * number
 * @usage
 * print(torus.arange(4))          -- 1 2 3 4
 * print(torus.arange(0, 1, 0.25)) -- 0 0.25 0.5 0.75 1
 */
static int arange(lua_State *L) {
  creation c = {.operation = "arange", .kind = RAMP, .a = 1, .b = 1};
  int numbers = 0;
  while (numbers < 3 && lua_type(L, numbers + 1) == LUA_TNUMBER) numbers++;
  double last = torus_check_number(L, numbers > 1 ? 2 : 1, c.operation,
                                   "the last number");
  if (numbers > 1) c.a = lua_tonumber(L, 1);
  if (numbers > 2) c.b = lua_tonumber(L, 3);
  read_options(L, numbers + 1, &c);
  double count = floor((last - c.a) / c.b * (1 + 1e-15) + 1e-9) + 1;
  double fraction = c.a == floor(c.a) ? c.b : c.a;
  if (!torus_dtype_is_float(c.dtype) && isfinite(fraction) &&
      fraction != floor(fraction)) {
    return torus_raise_text(L,
                            "arange: expected an integer as the %s of %s "
                            "numbers, got %g; use x:to(\"%s\") to round",
                            c.a == floor(c.a) ? "step" : "first",
                            torus_dtype_name(c.dtype), fraction,
                            torus_dtype_name(c.dtype));
  }
  if (c.b == 0) {
    return torus_raise_text(L, "arange: expected a step other than 0");
  }
  if (!isfinite(count) || count > 0x1p48) {
    return torus_raise_text(L,
                            "arange: expected fewer than 2^48 numbers, got the "
                            "range from %g to %g by %g",
                            c.a, last, c.b);
  }
  double end = c.a + c.b * (count - 1);
  if (count > 0) check_range(L, &c, c.a, end);
  if (c.dtype == TORUS_INT64 && fmax(fabs(c.a), fabs(end)) > 0x1p53) {
    return torus_raise_text(L,
                            "arange: expected integers from -2^53 to 2^53, got "
                            "the range from %g to %g; add an int64 tensor",
                            c.a, last);
  }
  c.shape = (torus_shape){1, {count > 0 ? (int64_t)count : 0}};
  return push_created(L, &c);
}

/*** Makes `count` equally spaced numbers from `first` to `last`, both exact.
 * @function torus.linspace
 * @tparam number first
 * @tparam number last
 * @tparam integer count
 * @tparam[opt] table opts dtype="float32" or another one; requires_grad=false
 * @treturn tensor (count)
 * @raise when the count is negative, or when the dtype cannot represent a
 * number
 * @usage print(torus.linspace(0, 1, 5))   -- 0 0.25 0.5 0.75 1
 */
static int linspace(lua_State *L) {
  creation c = {.operation = "linspace", .kind = LINSPACE};
  c.a = torus_check_number(L, 1, c.operation, "the first number");
  c.last = torus_check_number(L, 2, c.operation, "the last number");
  int64_t count = torus_check_integer(L, 3, c.operation, "the count");
  read_options(L, 4, &c);
  c.shape = (torus_shape){1, {count}};
  check_shape(L, &c);
  if (count > 0) check_range(L, &c, c.a, count > 1 ? c.last : c.a);
  c.b = count > 1 ? (c.last - c.a) / (double)(count - 1) : 0;
  check_integers(L, &c, c.a, c.b);
  return push_created(L, &c);
}

/*** Makes an identity matrix.
 * @function torus.eye
 * @tparam integer n
 * @tparam[opt] table opts dtype="float32" or another one; requires_grad=false
 * @treturn tensor (n, n)
 * @raise when n is negative
 * @usage print(torus.eye(2))
 */
static int eye(lua_State *L) {
  creation c = {.operation = "eye", .kind = EYE};
  int64_t n = torus_check_integer(L, 1, c.operation, "the size");
  c.shape = (torus_shape){2, {n, n}};
  check_shape(L, &c);
  read_options(L, 2, &c);
  return push_created(L, &c);
}

/*** Returns the integers 1 to n in random order.
 * @function torus.randperm
 * @tparam integer n
 * @tparam[opt] table opts generator
 * @treturn tensor (n) int64
 * @raise when n is negative
 * @usage
 * order = torus.randperm(5)
 * x = torus.randn(5, 2):index_select(1, order)
 */
static int randperm(lua_State *L) {
  creation c = {
      .operation = "randperm", .kind = RANDPERM, .dtype = TORUS_INT64};
  c.shape =
      (torus_shape){1, {torus_check_integer(L, 1, c.operation, "the count")}};
  check_shape(L, &c);
  read_options(L, 2, &c);
  if (c.dtype != TORUS_INT64 || c.requires_grad) {
    return torus_raise_text(L, "randperm: the result is int64 and has no "
                               "gradient; convert it with x:to(dtype)");
  }
  return push_created(L, &c);
}

/*** Makes a tensor from raw little-endian bytes in row-major order; the inverse
 * of to_bytes.
 * @function torus.from_bytes
 * @tparam string bytes
 * @tparam string dtype
 * @tparam {integer,...} shape
 * @tparam[opt=1] integer first position of the first byte
 * @treturn tensor
 * @raise when the string is too short for the shape
 * @usage x = torus.from_bytes(string.pack("<ff", 1, 2), "float32", {2})
 */
static int from_bytes(lua_State *L) {
  creation c = {.operation = "from_bytes", .kind = BYTES};
  size_t length;
  char text[TORUS_SHAPE_TEXT];
  if (lua_type(L, 1) != LUA_TSTRING) {
    return torus_raise_text(L, "from_bytes: expected a string, got %s",
                            torus_describe(L, 1));
  }
  c.bytes = lua_tolstring(L, 1, &length);
  c.dtype = torus_check_dtype(L, 2, c.operation);
  torus_check_list(L, 3, c.operation, "the shape", &c.shape);
  check_shape(L, &c);
  lua_Integer first = 1;
  if (!lua_isnoneornil(L, 4)) {
    first = torus_check_integer(L, 4, c.operation, "the first byte");
  }
  size_t bytes = torus_dtype_size(c.dtype);
  bool fits = first >= 1 && (size_t)first <= length + 1;
  for (int d = 0; d < c.shape.ndim; d++) {
    fits =
        fits && !__builtin_mul_overflow(bytes, (size_t)c.shape.size[d], &bytes);
  }
  if (!fits || bytes > length + 1 - (size_t)first) {
    return torus_raise_text(L,
                            "from_bytes: expected the bytes of %s %s from byte "
                            "%lld on, got a string of %zu",
                            torus_dtype_name(c.dtype),
                            torus_shape_format(&c.shape, text),
                            (long long)first, length);
  }
  c.bytes += first - 1;
  return push_created(L, &c);
}

/*** Returns the elements in row-major order as raw little-endian bytes.
 * @function torus.to_bytes
 * @tparam tensor x
 * @treturn string
 * @raise when x is not a tensor
 * @usage print(#torus.to_bytes(torus.zeros(3)))   -- 12
 */
static int to_bytes(lua_State *L) {
  torus_tensor *x = torus_push_dense(L, torus_check_tensor(L, 1, "to_bytes"));
  size_t bytes = (size_t)torus_tensor_count(x) * torus_dtype_size(x->dtype);
  lua_pushlstring(L, torus_tensor_data(x), bytes);
  return 1;
}

/* --- nested tables --- */

/* The shape that a table has, judged by its first elements. */
static void read_nesting(lua_State *L, int index, creation *c) {
  lua_pushvalue(L, index);
  int depth = 0;
  while (lua_type(L, -1) == LUA_TTABLE) {
    if (c->shape.ndim == TORUS_MAX_DIMS) {
      torus_raise_text(
          L,
          "tensor: expected at most %d dimensions of nested tables, got more",
          TORUS_MAX_DIMS);
    }
    luaL_checkstack(L, 4, NULL);
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    c->shape.size[c->shape.ndim++] = count;
    depth++;
    lua_rawgeti(L, -1, 1);
    if (count == 0) break;
  }
  if (lua_type(L, -1) == LUA_TBOOLEAN && !c->typed) c->dtype = TORUS_BOOL;
  lua_pop(L, depth + 1);
}

/* true and false are 1 and 0 where the options name a dtype. */
static void store(lua_State *L, torus_tensor *out, int64_t i, bool typed) {
  int type = lua_type(L, -1);
  if (type == LUA_TBOOLEAN && (typed || out->dtype == TORUS_BOOL)) {
    lua_pushinteger(L, lua_toboolean(L, -1));
    lua_replace(L, -2);
  } else if (type != LUA_TNUMBER || (out->dtype == TORUS_BOOL && !typed)) {
    torus_raise_text(
        L, "tensor: expected %s, got %s%s",
        out->dtype == TORUS_BOOL && !typed ? "booleans" : "numbers",
        torus_describe(L, -1),
        torus_to_tensor(L, -1) ? "; torus.stack joins tensors, x:item() is the "
                                 "number of one"
                               : "");
  }
  void *data = torus_tensor_data(out);
  switch (out->dtype) {
  case TORUS_FLOAT32:
    ((float *)data)[i] = (float)lua_tonumber(L, -1);
    break;
  case TORUS_FLOAT64:
    ((double *)data)[i] = lua_tonumber(L, -1);
    break;
  case TORUS_INT64:
    ((int64_t *)data)[i] =
        torus_check_integer(L, lua_gettop(L), "tensor", "an element of int64");
    break;
  case TORUS_INT32:
    ((int32_t *)data)[i] =
        (int32_t)torus_check_element(L, lua_gettop(L), "tensor", out->dtype);
    break;
  default:
    ((uint8_t *)data)[i] =
        (uint8_t)torus_check_element(L, lua_gettop(L), "tensor", out->dtype);
  }
}

/* Copies the table on top of the stack; returns the next element's index. */
static int64_t store_nested(lua_State *L, torus_tensor *out, int dim,
                            int64_t at, bool typed) {
  if (dim == out->shape.ndim) {
    store(L, out, at, typed);
    return at + 1;
  }
  lua_Integer expected = out->shape.size[dim];
  lua_Integer got =
      lua_type(L, -1) == LUA_TTABLE ? (lua_Integer)lua_rawlen(L, -1) : -1;
  if (got != expected) {
    torus_raise_text(L,
                     "tensor: expected nested tables of equal lengths: %lld "
                     "elements in dimension %d, got %lld",
                     (long long)expected, dim + 1,
                     (long long)(got < 0 ? 0 : got));
  }
  torus_check_gapless(L, -1, "tensor");
  for (lua_Integer i = 1; i <= expected; i++) {
    lua_rawgeti(L, -1, i);
    at = store_nested(L, out, dim + 1, at, typed);
    lua_pop(L, 1);
  }
  return at;
}

/*** Makes a tensor from a number, or from a nested table of numbers or
 * booleans.
 * @function torus.tensor
 * @tparam number|boolean|table data nested as deep as the tensor has dimensions
 * @tparam[opt] table opts dtype: "float32" by default, "bool" for booleans, or
 * "float64", "int64", "int32", "uint8"; requires_grad=false
 * @treturn tensor
 * @raise when the table is not regular, contains anything but numbers or
 * booleans, or contains numbers that the dtype cannot represent
 * @usage
 * x = torus.tensor{{1, 2}, {3, 4}}
 * n = torus.tensor({1, 2}, { dtype = "int64" })
 * mask = torus.tensor{true, false}
 */
static int tensor(lua_State *L) {
  creation c = {.operation = "tensor", .kind = FULL};
  if (lua_type(L, 1) != LUA_TTABLE && lua_type(L, 1) != LUA_TNUMBER &&
      lua_type(L, 1) != LUA_TBOOLEAN) {
    return torus_raise_text(
        L, "tensor: expected a number or a table of numbers, got %s%s",
        torus_describe(L, 1),
        torus_to_tensor(L, 1) ? "; x:copy() copies a tensor" : "");
  }
  read_options(L, 2, &c);
  if (lua_type(L, 1) == LUA_TTABLE) {
    torus_check_plain(L, 1, c.operation, "the elements");
  }
  read_nesting(L, 1, &c);
  push_created(L, &c);
  torus_tensor *out = torus_to_tensor(L, -1);
  lua_pushvalue(L, 1);
  store_nested(L, out, 0, 0, c.typed);
  lua_pop(L, 1);
  return 1;
}

void torus_open_create(lua_State *L) {
  static const luaL_Reg functions[] = {{"tensor", tensor},
                                       {"zeros", zeros},
                                       {"ones", ones},
                                       {"full", full},
                                       {"rand", rand_},
                                       {"randn", randn},
                                       {"arange", arange},
                                       {"linspace", linspace},
                                       {"eye", eye},
                                       {"randperm", randperm},
                                       {"from_bytes", from_bytes},
                                       {"to_bytes", to_bytes},
                                       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
