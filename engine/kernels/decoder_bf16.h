/* Internal to the decoder (decoder.h): the images of a piece of work with
 * convolutions in bfloat16. Activations, and gradients with respect to them,
 * are bfloat16 between layers; sums, the skips' additions, the images, their
 * errors, the states' gradients and all gradients of parameters are wider.
 *
 * The convolution of a doubled image is four of 2 x 2 taps of the small one, by
 * the remainder of the pixel's row and column (upsample_conv.c). The output's
 * few channels would leave most of a product idle: its gradients are products
 * with the windows of the errors, one row of 9 taps for each pixel. */
#ifndef TORUS_KERNELS_DECODER_BF16_H
#define TORUS_KERNELS_DECODER_BF16_H

#include "kernels/bf16_maps.h"
#include "kernels/decoder.h"

/* Images that go through the network together: few enough for the caches. */
#define DECODER_BF16_IMAGES 2

/* One layer; offsets are into the shared memory. */
typedef struct decoder_bf16_layer {
  int64_t taps, depth, columns; /* of the weights' gradient, with padding */
  int64_t parameter;            /* the number of its weights */
  size_t forward, back;         /* packed weights; a skip's back: conv1's */
  size_t bias;
} decoder_bf16_layer;

typedef struct decoder_bf16_block {
  bool skip_conv;
  bf16_map in;   /* channels of its input */
  bf16_map low;  /* the same with those of the filters */
  bf16_map high; /* of its output */
  decoder_bf16_layer conv1, conv2, skip;
  /* int32_t tables by position, -1 in the margins. Of low, bf16_results(low)
   * entries for each remainder: the position of high. Of high: itself; the
   * position of low under it; that in the map of its remainder. */
  size_t up, self, down, phase;
} decoder_bf16_block;

typedef struct decoder_bf16 {
  const torus_decoder *decoder;
  const bf16_kernels *kernels;
  decoder_bf16_block block[TORUS_DECODER_BLOCKS];
  decoder_bf16_layer output;
  int64_t output_columns; /* of its forward weights */
  bf16_map windows;       /* of the gradients of the logits, in 9 taps */
  /* Tables: of states and images the pixels, of states also positions. */
  size_t states, pixels, self;
  size_t reordered; /* float32: the output's weights (taps, channels, in) */
  size_t shared_bytes, thread_bytes;
  char *shared;
} decoder_bf16;

/* Returns true if the job is computed this way, and fills in the plan. */
bool decoder_bf16_plan(decoder_bf16 *plan, const torus_decoder *decoder,
                       torus_dtype dtype);

/* Packs the weights; shared: memory of shared_bytes. */
void decoder_bf16_prepare(decoder_bf16 *plan, const torus_decoder_job *job,
                          void *shared);

/* Images [first, last): adds to the sums of all parameters, writes the states'
 * gradients and returns the sum of squared errors. thread: memory of
 * thread_bytes. */
double decoder_bf16_run(const decoder_bf16 *plan, const torus_decoder_job *job,
                        int64_t first, int64_t last, double *const *sums,
                        void *thread);

/* Bytes of a thread's buffers. */
size_t decoder_bf16_thread_bytes(const decoder_bf16 *plan);

static inline torus_bf16 *decoder_bf16_weights(const decoder_bf16 *p,
                                               size_t at) {
  return (torus_bf16 *)(void *)(p->shared + at);
}

static inline const float *decoder_bf16_bias(const decoder_bf16 *p,
                                             const decoder_bf16_layer *l) {
  return (const float *)(const void *)(p->shared + l->bias);
}

static inline int32_t *decoder_bf16_table(const decoder_bf16 *p, size_t at) {
  return (int32_t *)(void *)(p->shared + at);
}

/* Returns true if a tap of a 3 x 3 kernel falls on corner c of the 2 x 2 small
 * pixels under the window of a large pixel of remainder `phase`. */
static inline bool decoder_bf16_sees(int phase, int corner, int tap) {
  bool down = tap / 3 > phase / 2, right = tap % 3 > phase % 2;
  return down == corner / 2 && right == corner % 2;
}

/* Hands out parts of a buffer, or, without one, adds up their sizes. */
typedef struct decoder_bf16_arena {
  char *base;
  size_t used;
} decoder_bf16_arena;

static inline void *decoder_bf16_take(decoder_bf16_arena *a, size_t bytes) {
  void *at = a->base ? a->base + a->used : NULL;
  a->used += (bytes + 63) / 64 * 64;
  return at;
}

#endif
