/* Decodes states and compares them with images: HGN's decoder forward, squared
 * error, and backward, a few images at a time.
 *
 * The loss separates over images. Each piece of work runs its images through
 * the network, forward and backward, while their activations are in the cache,
 * and sums the weights' gradients separately in double precision; the pieces
 * are added in order. The memory is that of a few images, for any number of
 * them. Nothing here fails or allocates: scratch comes from the caller.
 *
 * The network, per block: nearest upsampling by 2, two 3x3 convolutions with
 * leaky ReLU, plus the upsampled input (through a 1x1 convolution where the
 * channels differ) if `skip`; after the blocks a 3x3 convolution to the
 * image's channels and a sigmoid. Arrays are channels-last. */
#ifndef TORUS_KERNELS_DECODER_H
#define TORUS_KERNELS_DECODER_H

#include <stdbool.h>

#include "core/dtype.h"

#define TORUS_DECODER_BLOCKS 6
/* Per block: two convolutions and a skip, each with weights and bias. */
#define TORUS_DECODER_PARAMETERS (6 * TORUS_DECODER_BLOCKS + 2)

typedef struct torus_decoder {
  int blocks;
  int64_t rows, columns; /* of the input maps; images have both << blocks */
  int64_t state;         /* channels of the input */
  int64_t width;         /* filters */
  int64_t channels;      /* of the images */
  bool skip;
  double slope; /* of the leaky ReLU */
  /* Convolutions in bfloat16, where the job is in float32 and the machine has
   * products of that (bf16_product.h). */
  bool bfloat16;
} torus_decoder;

/* The number of parameters, and the elements of each. The order: block
 * by block conv1 weight (width, in, 3, 3), conv1 bias, conv2 weight, conv2
 * bias, then skip weight (width, in, 1, 1) and bias where the channels
 * differ; output weight (channels, width, 3, 3), output bias. */
int torus_decoder_parameters(const torus_decoder *decoder,
                             int64_t counts[TORUS_DECODER_PARAMETERS]);

typedef struct torus_decoder_job {
  torus_dtype dtype;
  int64_t images;
  const void *q;       /* (images, rows, columns, state) */
  const void *targets; /* (images, height, width, channels) */
  const void *const *parameters;
  double weight; /* of the sum of squared errors in the loss */
  /* Results; overwritten. */
  void *q_grad;       /* like q */
  void *const *grads; /* like parameters */
  double squares;     /* sum of squared errors */
} torus_decoder_job;

/* Bytes of scratch, 64-byte aligned, for torus_threads() threads. */
size_t torus_decoder_scratch(const torus_decoder *decoder, torus_dtype dtype,
                             int64_t images);

void torus_decoder_run(const torus_decoder *decoder, torus_decoder_job *job,
                       void *scratch);

#endif
