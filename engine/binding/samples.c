/* Samples of distributions into tensors that the caller has made. */
#include "binding/binding.h"
#include "kernels/sample.h"
#include "kernels/sobol.h"

/* A dense tensor of this dtype, to be written. */
static torus_tensor *check_out(lua_State *L, int index, torus_dtype dtype,
                               int ndim) {
  torus_tensor *x = torus_check_tensor(L, index, "sample");
  torus_check_dense(L, x, dtype, ndim < 0 ? x->shape.ndim : ndim, "sample",
                    "to write");
  x->storage->version++;
  return x;
}

/* fill_integers(out int64, low, range, {generator =}, operation); range counts
 * without a sign */
static int fill_integers(lua_State *L) {
  torus_tensor *out = check_out(L, 1, TORUS_INT64, -1);
  int64_t low = torus_check_integer(L, 2, "sample", "low");
  int64_t range = torus_check_integer(L, 3, "sample", "the range");
  if (range == 0)
    return torus_raise_text(L, "sample: expected a range above 0");
  torus_rng *rng = torus_option_generator(
      L, 4, torus_check_string(L, 5, "sample", "a name"));
  torus_sample_integers(rng, torus_tensor_data(out), torus_tensor_count(out),
                        low, (uint64_t)range);
  return 0;
}

/* fill_exponential(out float64, {generator =}, operation) */
static int fill_exponential(lua_State *L) {
  torus_tensor *out = check_out(L, 1, TORUS_FLOAT64, -1);
  torus_rng *rng = torus_option_generator(
      L, 2, torus_check_string(L, 3, "sample", "a name"));
  torus_sample_exponential(rng, torus_tensor_data(out),
                           torus_tensor_count(out));
  return 0;
}

/* fill_gamma(concentrations float64, {generator =}, operation): overwrites
 * them */
static int fill_gamma(lua_State *L) {
  torus_tensor *out = check_out(L, 1, TORUS_FLOAT64, -1);
  torus_rng *rng = torus_option_generator(
      L, 2, torus_check_string(L, 3, "sample", "a name"));
  torus_sample_gamma(rng, torus_tensor_data(out), torus_tensor_count(out));
  return 0;
}

/* fill_picks(out int64 (rows, count), weights float64 (rows, n), replacement,
 * {generator =}, operation): indices from 0 */
static int fill_picks(lua_State *L) {
  torus_tensor *out = check_out(L, 1, TORUS_INT64, 2);
  torus_tensor *weights = torus_check_tensor(L, 2, "sample");
  torus_check_dense(L, weights, TORUS_FLOAT64, 2, "sample", "(rows,n)");
  torus_rng *rng = torus_option_generator(
      L, 4, torus_check_string(L, 5, "sample", "a name"));
  int64_t rows = out->shape.size[0], count = out->shape.size[1];
  int64_t n = weights->shape.size[1];
  if (weights->shape.size[0] != rows || (n == 0 && count > 0)) {
    return torus_raise_text(L, "sample: expected as many rows of weights");
  }
  bool replacement = lua_toboolean(L, 3);
  void *scratch =
      lua_newuserdatauv(L, (size_t)(n + 1) * sizeof(torus_sample_race), 0);
  if (replacement) {
    torus_sample_picks(rng, torus_tensor_data(weights), rows, n,
                       torus_tensor_data(out), count, scratch);
  } else {
    torus_sample_distinct(rng, torus_tensor_data(weights), rows, n,
                          torus_tensor_data(out), count, scratch);
  }
  return 0;
}

/* fill_sobol(out float64 (count, dims), first from 0[, seed]): scrambled where
 * there is a seed */
static int fill_sobol(lua_State *L) {
  torus_tensor *out = check_out(L, 1, TORUS_FLOAT64, 2);
  int64_t count = out->shape.size[0], dims = out->shape.size[1];
  int64_t first = torus_check_integer(L, 2, "sample", "the first point");
  if (dims > TORUS_SOBOL_DIMS || first < 0 || first > UINT32_MAX ||
      count > (int64_t)UINT32_MAX + 1 - first) {
    return torus_raise_text(L,
                            "sobol: expected at most %d dimensions and 2^32 "
                            "points",
                            TORUS_SOBOL_DIMS);
  }
  torus_sobol s = {.dims = (int)dims, .first = (uint32_t)first};
  if (!lua_isnoneornil(L, 3)) {
    s.scramble = true;
    s.seed = (uint64_t)torus_check_integer(L, 3, "sample", "the seed");
  }
  torus_sobol_points(&s, torus_tensor_data(out), count);
  return 0;
}

void torus_open_samples(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"fill_integers", fill_integers}, {"fill_exponential", fill_exponential},
      {"fill_gamma", fill_gamma},       {"fill_picks", fill_picks},
      {"fill_sobol", fill_sobol},       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
