/* HGN's decoder, the squared error of its images and their gradients in one
 * pass over a few images at a time; see kernels/decoder.h.
 *
 * The gradients are computed with the value and kept, because the activations
 * that they need are gone afterwards. i: blocks, width, skip; f: slope, weight.
 * Inputs: states q, targets, then the decoder's parameters in its order. */
#include "autodiff/build.h"
#include "core/alloc.h"
#include "kernels/decoder.h"

#include <string.h>

enum { BLOCKS, WIDTH, SKIP, PRECISION };
enum { SLOPE, WEIGHT };
enum { Q, TARGETS, PARAMETERS }; /* inputs; the last is the first parameter */

/* The saved gradients are those of the sum of squares times this factor: if the
 * incoming gradient is exactly that, they need no scaling. */
static double kept_weight(const torus_call *call) {
  double weight = call->attrs->f[WEIGHT];
  return weight != 0 ? weight : 1;
}

/* Keeps the counts of a layer's weights and elements from overflowing. */
#define MAX_CHANNELS (1 << 20)
#define MAX_SIDE (1 << 16)

static bool read_decoder(torus_scope *scope, const torus_call *call,
                         torus_decoder *d) {
  const int64_t *i = call->attrs->i;
  if (i[BLOCKS] < 1 || i[BLOCKS] > TORUS_DECODER_BLOCKS || i[WIDTH] < 1 ||
      i[WIDTH] > MAX_CHANNELS) {
    return torus_status_fail(&scope->status, TORUS_EINVAL,
                             "%s: expected 1 to %d blocks of a width from 1 to "
                             "%d, got %lld of width %lld",
                             call->op->name, TORUS_DECODER_BLOCKS, MAX_CHANNELS,
                             (long long)i[BLOCKS], (long long)i[WIDTH]);
  }
  const torus_shape *q = &call->in[Q]->shape, *t = &call->in[TARGETS]->shape;
  bool fits = q->ndim == 4 && t->ndim == 4;
  fits = fits && q->size[1] > 0 && q->size[2] > 0 && q->size[3] > 0;
  fits = fits && q->size[1] <= MAX_SIDE && q->size[2] <= MAX_SIDE &&
         q->size[3] <= MAX_CHANNELS && t->size[3] <= MAX_CHANNELS;
  fits = fits && t->size[0] == q->size[0] && t->size[3] > 0 &&
         t->size[1] == q->size[1] << i[BLOCKS] &&
         t->size[2] == q->size[2] << i[BLOCKS];
  if (!fits) {
    char a[TORUS_TENSOR_TEXT], b[TORUS_TENSOR_TEXT];
    return torus_status_fail(&scope->status, TORUS_EINVAL,
                             "%s: expected states (n,h,w,c) and images of %d "
                             "times the height and width, got %s and %s",
                             call->op->name, 1 << i[BLOCKS],
                             torus_tensor_format(call->in[Q], a),
                             torus_tensor_format(call->in[TARGETS], b));
  }
  *d = (torus_decoder){.blocks = (int)i[BLOCKS],
                       .rows = q->size[1],
                       .columns = q->size[2],
                       .state = q->size[3],
                       .width = i[WIDTH],
                       .channels = t->size[3],
                       .skip = i[SKIP] != 0,
                       .slope = call->attrs->f[SLOPE],
                       .bfloat16 = i[PRECISION] == 1};
  return true;
}

static bool check_parameters(torus_scope *scope, const torus_call *call,
                             const torus_decoder *d) {
  char text[TORUS_TENSOR_TEXT];
  int64_t counts[TORUS_DECODER_PARAMETERS];
  int expected = torus_decoder_parameters(d, counts);
  int got = call->inputs - PARAMETERS;
  if (got != expected) {
    return torus_status_fail(&scope->status, TORUS_EINVAL,
                             "%s: expected %d parameters, got %d",
                             call->op->name, expected, got);
  }
  for (int i = 0; i < got; i++) {
    const torus_tensor *w = call->in[PARAMETERS + i];
    if (torus_tensor_count(w) == counts[i]) continue;
    return torus_status_fail(&scope->status, TORUS_EINVAL,
                             "%s: expected parameter %d with %lld elements, "
                             "got %s",
                             call->op->name, i + 1, (long long)counts[i],
                             torus_tensor_format(w, text));
  }
  return true;
}

/* The gradients of q and of every parameter, one after the other; the targets
 * have none. */
static torus_tensor *new_gradients(torus_scope *scope, const torus_call *call) {
  int64_t count = 0;
  for (int i = 0; i < call->inputs; i++) {
    if (i != TARGETS) count += torus_tensor_count(call->in[i]);
  }
  torus_shape shape = {1, {count}};
  return torus_new_like(scope, call->in[Q], &shape);
}

typedef struct arrays {
  const void *parameters[TORUS_DECODER_PARAMETERS];
  void *grads[TORUS_DECODER_PARAMETERS];
} arrays;

static const void *dense(torus_scope *scope, torus_tensor *x) {
  torus_tensor *y = torus_contiguous(scope, x);
  return y ? torus_tensor_data(y) : NULL;
}

/* Fills in all addresses; false if a dense copy fails. */
static bool lay_out(torus_scope *scope, const torus_call *call,
                    torus_tensor *gradients, arrays *a,
                    torus_decoder_job *job) {
  size_t width = torus_dtype_size(call->in[Q]->dtype);
  char *to = torus_tensor_data(gradients);
  *job = (torus_decoder_job){.dtype = call->in[Q]->dtype,
                             .images = call->in[Q]->shape.size[0],
                             .q = dense(scope, call->in[Q]),
                             .targets = dense(scope, call->in[TARGETS]),
                             .parameters = a->parameters,
                             .weight = kept_weight(call),
                             .q_grad = to,
                             .grads = a->grads};
  to += (size_t)torus_tensor_count(call->in[Q]) * width;
  for (int i = PARAMETERS; i < call->inputs; i++) {
    a->parameters[i - PARAMETERS] = dense(scope, call->in[i]);
    a->grads[i - PARAMETERS] = to;
    to += (size_t)torus_tensor_count(call->in[i]) * width;
  }
  return scope->status.code == TORUS_OK;
}

static torus_tensor *run(torus_scope *scope, const torus_decoder *d,
                         torus_decoder_job *job) {
  void *scratch =
      torus_scratch(scope, torus_decoder_scratch(d, job->dtype, job->images));
  if (!scratch) return NULL;
  torus_decoder_run(d, job, scratch);
  torus_free(scratch);
  torus_tensor *out =
      torus_tensor_new(TORUS_FLOAT64, &(torus_shape){0}, &scope->status);
  if (out) *(double *)torus_tensor_data(out) = job->squares;
  return out;
}

static torus_tensor *decoder_forward(torus_scope *scope,
                                     const torus_call *call) {
  torus_decoder d;
  if (!read_decoder(scope, call, &d) || !check_parameters(scope, call, &d)) {
    return NULL;
  }
  torus_tensor *gradients = new_gradients(scope, call);
  if (!gradients) return NULL;
  torus_scope inner;
  torus_scope_init(&inner, false);
  arrays a;
  torus_decoder_job job;
  torus_tensor *out = NULL;
  if (lay_out(&inner, call, gradients, &a, &job)) out = run(&inner, &d, &job);
  torus_scope_clear(&inner);
  torus_scope_pass_error(scope, &inner);
  if (out && call->record) {
    *call->saved = gradients;
  } else {
    torus_tensor_release(gradients);
  }
  return out;
}

/* The saved gradient of an input, which begins at an element of the saved ones.
 * */
static torus_tensor *kept(torus_scope *scope, const torus_call *call, int i,
                          int64_t first) {
  const torus_shape *shape = &call->in[i]->shape;
  int64_t strides[TORUS_MAX_DIMS];
  torus_shape_strides(shape, strides);
  torus_tensor *view =
      torus_tensor_view(*call->saved, shape, strides, first, &scope->status);
  return torus_scope_own(scope, view);
}

static bool decoder_gradients(torus_scope *scope, const torus_call *call,
                              torus_tensor *g, const bool *wanted,
                              torus_tensor **out) {
  if (wanted[TARGETS]) {
    return torus_status_fail(
        &scope->status, TORUS_EINVAL,
        "grad: %s has no gradient with respect to its targets", call->op->name);
  }
  double factor = *(double *)torus_tensor_data(g) / kept_weight(call);
  int64_t first = 0;
  for (int i = 0; i < call->inputs; i++) {
    if (i == TARGETS) continue;
    if (wanted[i]) {
      out[i] = kept(scope, call, i, first);
      if (factor != 1) {
        torus_tensor *scale = torus_scalar(scope, call->in[Q]->dtype, factor);
        out[i] = torus_mul(scope, out[i], scale);
      }
      if (!out[i]) return false;
    }
    first += torus_tensor_count(call->in[i]);
  }
  return true;
}

static const char *precision_name(int index) {
  static const char *const names[] = {"float32", "bfloat16"};
  return index < 2 ? names[index] : NULL;
}

static const torus_op ops[] = {
    /*** Decodes states with HGN's decoder and compares the images with targets,
     * a few at a time: value and gradients are computed together, in the memory
     * of a few images. There are first-order gradients with respect to states
     * and parameters.
     * @function torus.decoder_error
     * @tparam tensor states (n, h, w, c)
     * @tparam tensor targets (n, 2^blocks h, 2^blocks w, channels)
     * @tparam {tensor,...} parameters weights and biases, block by block: both
     * convolutions, then the skip's if its channels change; finally the
     * output's
     * @tparam integer blocks number of blocks, each of which doubles height and
     * width
     * @tparam integer width number of filters
     * @tparam[opt=true] boolean skip true: each block adds its upsampled input
     * @tparam[opt=0.01] number slope of the leaky ReLUs below zero
     * @tparam[opt=1] number weight factor of the error in the loss: an incoming
     * gradient equal to it needs no scaling
     * @tparam[opt="float32"] string precision of the products of a float32
     * decoder: "bfloat16" if the processor supports it, see engine/README.md
     * @treturn tensor sum of squared errors, a float64 scalar
     * @raise when the shapes don't fit
     * @usage
     * model = torus.models.hgn { width = 4, state = 3, frames = 4 }
     * squares = torus.decoder_error(torus.randn(2, 4, 4, 3),
     *   torus.rand(2, 32, 32, 3), { parameters = model.decoder:parameters(),
     *     blocks = model.decoder.blocks, width = 4 })
     * squares:backward()
     */
    {.name = "decoder_error",
     .inputs = 2,
     .more_inputs = true,
     .forward = decoder_forward,
     .gradients = decoder_gradients,
     .reads = TORUS_READS_NOTHING,
     .first_order = "decode and compare by operations of tensors",
     .params = {{"parameters", TORUS_PARAM_TENSORS, false, 0},
                {"blocks", TORUS_PARAM_INT, false, 0},
                {"width", TORUS_PARAM_INT, false, 0},
                {"skip", TORUS_PARAM_BOOL, true, 1},
                {"slope", TORUS_PARAM_FLOAT, true, 0.01},
                {"weight", TORUS_PARAM_FLOAT, true, 1},
                {"precision", TORUS_PARAM_CHOICE, true, 0}},
     .choice = precision_name,
     .doc = "sum of squared errors, a float64 scalar, between images that "
            "HGN's decoder computes from states and targets"},
};

const torus_op_family torus_decoder_ops = {ops, 1};
