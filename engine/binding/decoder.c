/* HGN's decoder with error and gradients as one call. */
#include <string.h>

#include "binding/binding.h"
#include "core/alloc.h"
#include "kernels/decoder.h"

typedef struct request {
  torus_decoder decoder;
  torus_decoder_job job;
  int parameters;
  const void *data[TORUS_DECODER_PARAMETERS];
  void *grads[TORUS_DECODER_PARAMETERS];
} request;

#define WHAT "decoder_gradients"

static void read_decoder(lua_State *L, int index, request *r) {
  static const char *const keys[] = {"blocks", "width",  "skip",
                                     "slope",  "weight", NULL};
  torus_check_keys(L, index, "decoder_gradients", keys);
  torus_decoder *d = &r->decoder;
  int64_t blocks = torus_option_integer(L, index, WHAT, "blocks");
  d->width = torus_option_integer(L, index, WHAT, "width");
  torus_option(L, index, "skip");
  d->skip = lua_toboolean(L, -1);
  lua_pop(L, 1);
  d->slope = torus_option_number(L, index, WHAT, "slope");
  r->job.weight = torus_option_number(L, index, WHAT, "weight");
  if (blocks < 1 || blocks > TORUS_DECODER_BLOCKS || d->width < 1) {
    torus_raise_text(L,
                     WHAT ": expected 1 to %d blocks of a "
                          "positive width",
                     TORUS_DECODER_BLOCKS);
  }
  d->blocks = (int)blocks;
}

static torus_tensor *need_dense(lua_State *L, torus_tensor *x,
                                const char *name) {
  if (torus_tensor_is_contiguous(x) && torus_dtype_is_float(x->dtype)) return x;
  torus_raise_text(L, WHAT ": %s must be a contiguous floating tensor", name);
  return NULL;
}

/* q: (n, s, s, state), targets: (n, s << blocks, s << blocks, channels) */
static void check_images(lua_State *L, request *r, const torus_tensor *q,
                         const torus_tensor *targets) {
  char a[TORUS_SHAPE_TEXT], b[TORUS_SHAPE_TEXT];
  const int64_t *s = q->shape.size, *t = targets->shape.size;
  torus_decoder *d = &r->decoder;
  bool fits = q->shape.ndim == 4 && targets->shape.ndim == 4;
  fits = fits && s[1] == s[2] && s[1] > 0 && s[3] > 0 && t[3] > 0 &&
         t[0] == s[0] && t[1] == s[1] << d->blocks && t[2] == t[1] &&
         q->dtype == targets->dtype;
  if (!fits) {
    torus_raise_text(L,
                     WHAT ": expected states (n,s,s,c) and images of %d times "
                          "the side, of one dtype, got %s and %s",
                     1 << d->blocks, torus_shape_format(&q->shape, a),
                     torus_shape_format(&targets->shape, b));
  }
  d->size = s[1];
  d->state = s[3];
  d->channels = t[3];
  r->job.images = s[0];
  r->job.dtype = q->dtype;
  r->job.q = torus_tensor_data(q);
  r->job.targets = torus_tensor_data(targets);
}

/* The parameters, which stay on the stack: FIRST is where the first one is. */
#define FIRST 5

static void push_parameters(lua_State *L, int index, request *r) {
  int64_t counts[TORUS_DECODER_PARAMETERS];
  r->parameters = torus_decoder_parameters(&r->decoder, counts);
  int given = torus_list_length(L, index, WHAT);
  if (given != r->parameters) {
    torus_raise_text(L, WHAT ": expected %d parameters, got %d", r->parameters,
                     given);
  }
  luaL_checkstack(L, r->parameters + 16, WHAT);
  for (int i = 0; i < r->parameters; i++) {
    lua_rawgeti(L, index, i + 1);
    torus_tensor *w = torus_check_entry(L, WHAT, "parameter", i + 1);
    need_dense(L, w, "a parameter");
    if (torus_tensor_count(w) != counts[i] || w->dtype != r->job.dtype) {
      torus_raise_text(L, WHAT ": parameter %d does not fit", i + 1);
    }
    r->data[i] = torus_tensor_data(w);
  }
  r->job.parameters = r->data;
  r->job.grads = r->grads;
}

static torus_tensor *new_like(torus_scope *scope, void *arg) {
  torus_tensor *x = arg;
  return torus_scope_own(scope,
                         torus_tensor_new(x->dtype, &x->shape, &scope->status));
}

static torus_tensor *run(torus_scope *scope, void *arg) {
  request *r = arg;
  size_t bytes =
      torus_decoder_scratch(&r->decoder, r->job.dtype, r->job.images);
  void *scratch = torus_alloc(bytes);
  if (!scratch) {
    return torus_scope_fail(scope, TORUS_ENOMEM, WHAT ": out of memory");
  }
  torus_decoder_run(&r->decoder, &r->job, scratch);
  torus_free(scratch);
  return NULL;
}

/* decoder_gradients(q, targets, parameters, {blocks =, width =, skip =,
 * slope =, weight =}) -> sum of squares, gradient of q, list of gradients */
static int decoder_gradients(lua_State *L) {
  request r;
  memset(&r, 0, sizeof r);
  lua_settop(L, 4);
  luaL_checktype(L, 3, LUA_TTABLE);
  luaL_checktype(L, 4, LUA_TTABLE);
  read_decoder(L, 4, &r);
  torus_tensor *q = need_dense(L, torus_check_tensor(L, 1, WHAT), "q");
  check_images(L, &r, q,
               need_dense(L, torus_check_tensor(L, 2, WHAT), "targets"));
  push_parameters(L, 3, &r);
  torus_push_result(L, new_like, q);
  int q_grad = lua_gettop(L);
  r.job.q_grad = torus_tensor_data(torus_to_tensor(L, q_grad));
  lua_createtable(L, r.parameters, 0);
  for (int i = 0; i < r.parameters; i++) {
    torus_push_result(L, new_like, torus_to_tensor(L, FIRST + i));
    r.grads[i] = torus_tensor_data(torus_to_tensor(L, -1));
    lua_rawseti(L, -2, i + 1);
  }
  torus_run(L, run, &r);
  lua_pushnumber(L, r.job.squares);
  lua_insert(L, q_grad);
  return 3;
}

void torus_open_decoder(lua_State *L) {
  lua_pushcfunction(L, decoder_gradients);
  lua_setfield(L, -2, "decoder_gradients");
}
