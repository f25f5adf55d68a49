/* Fourier transforms against the definition in long double, in every layout;
 * bits against the number of threads. */
#include "kernels/fft.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/threads.h"
#include "each_isa.h"
#include "kernels/fft_plan.h"

static uint64_t state;

static double uniform(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(int64_t)(state >> 11) / 4503599627370496.0 - 1;
}

static double *random_array(int64_t count) {
  double *x = malloc((size_t)count * sizeof *x);
  for (int64_t i = 0; i < count; i++) x[i] = uniform();
  return x;
}

static void run(const torus_fft_job *job) {
  void *scratch = torus_alloc(torus_fft_scratch(job));
  torus_fft_run(job, scratch);
  torus_free(scratch);
}

/* The largest difference from the definition, for sums of n random numbers
 * over their root. */
static double error_of(const torus_fft_job *j) {
  const double *re = j->re, *im = j->im, *out_re = j->out_re,
               *out_im = j->out_im;
  int64_t length = torus_fft_out_length(j->type, j->n);
  bool half = j->type == TORUS_FFT_HALF;
  double worst = 0;
  int sign = half || j->type == TORUS_FFT_INVERSE ? 1 : -1;
  for (int64_t o = 0; o < j->outer; o++) {
    for (int64_t i = 0; i < j->inner; i++) {
      for (int64_t k = 0; k < length; k++) {
        long double sum_re = 0, sum_im = 0;
        int64_t terms = half ? j->n / 2 + 1 : j->n;
        for (int64_t t = 0; t < terms && t < j->in_length; t++) {
          int64_t at = (o * j->in_length + t) * j->inner + i;
          long double angle = sign * 2 * acosl(-1.0L) *
                              (long double)(t * k % j->n) / (long double)j->n;
          long double c = cosl(angle), s = sinl(angle);
          long double a = re[at], b = im ? im[at] : 0;
          bool end = t == 0 || 2 * t == j->n;
          long double weight = half && !end ? 2 : 1;
          if (half && end) b = 0;
          sum_re += weight * (a * c - b * s);
          sum_im += weight * (a * s + b * c);
        }
        int64_t at = (o * length + k) * j->inner + i;
        worst = fmax(worst, fabs((double)(j->scale * sum_re - out_re[at])));
        if (!half) {
          worst = fmax(worst, fabs((double)(j->scale * sum_im - out_im[at])));
        }
      }
    }
  }
  return worst / (sqrt((double)j->n) * j->scale);
}

/* A few roundings of 1.1e-16; twice through longer ones for Bluestein's. */
#define TOLERANCE 2e-15

static void check_job(torus_fft_job job) {
  int64_t in = job.outer * job.in_length * job.inner;
  int64_t out = job.outer * torus_fft_out_length(job.type, job.n) * job.inner;
  double *re = random_array(in), *im = random_array(in);
  double *out_re = random_array(out), *out_im = random_array(out);
  job.dtype = TORUS_FLOAT64;
  job.re = re;
  job.im = job.type == TORUS_FFT_REAL ? NULL : im;
  job.out_re = out_re;
  job.out_im = job.type == TORUS_FFT_HALF ? NULL : out_im;
  run(&job);
  double error = error_of(&job);
  CHECK(error < TOLERANCE, "type %d, n %d, in %d, (%d, %d): off by %g",
        job.type, (int)job.n, (int)job.in_length, (int)job.outer,
        (int)job.inner, error);
  free(re);
  free(im);
  free(out_re);
  free(out_im);
}

static int64_t natural(torus_fft_type type, int64_t n) {
  return type == TORUS_FFT_HALF ? n / 2 + 1 : n;
}

TEST(lengths) {
  state = 1;
  for (int type = 0; type <= TORUS_FFT_HALF; type++) {
    for (int64_t n = 1; n <= 130; n++) {
      check_job((torus_fft_job){.type = type,
                                .n = n,
                                .scale = 1,
                                .outer = 2,
                                .inner = 1,
                                .in_length = natural(type, n)});
    }
  }
}

TEST(layouts) {
  state = 2;
  static const int64_t shapes[][2] = {{1, 1}, {17, 1}, {1, 17}, {3, 8},
                                      {2, 9}, {8, 2},  {1, 8}};
  for (int type = 0; type <= TORUS_FFT_HALF; type++) {
    for (int s = 0; s < 7; s++) {
      for (int64_t n = 6; n <= 7; n++) {
        for (int64_t more = -3; more <= 3; more += 3) {
          check_job((torus_fft_job){.type = type,
                                    .n = n,
                                    .scale = 0.25,
                                    .outer = shapes[s][0],
                                    .inner = shapes[s][1],
                                    .in_length = natural(type, n) + more});
        }
      }
    }
  }
}

TEST(roots_are_as_good_as_can_be) {
  double worst = 0;
  for (int64_t n = 1; n < 200; n++) {
    for (int64_t j = 0; j < n; j++) {
      double re, im;
      torus_fft_root(j, n, &re, &im);
      long double angle = 2 * acosl(-1.0L) * (long double)j / (long double)n;
      worst = fmax(worst, fabs((double)(cosl(angle) - re)));
      worst = fmax(worst, fabs((double)(sinl(angle) - im)));
    }
  }
  /* The rounding of the value, and that of the angle. */
  CHECK(worst < 1.1e-16 + 0.8e-16, "off by %g", worst);
}

TEST(threads_do_not_matter) {
  state = 3;
  enum { LINES = 200, N = 1009 };
  double *x = random_array(LINES * N);
  double *first = random_array(2 * LINES * N);
  double *again = random_array(2 * LINES * N);
  int before = torus_threads();
  for (int threads = 1; threads <= 4; threads++) {
    torus_set_threads(threads);
    double *out = threads == 1 ? first : again;
    run(&(torus_fft_job){.type = TORUS_FFT_COMPLEX,
                         .dtype = TORUS_FLOAT64,
                         .n = N,
                         .scale = 1,
                         .outer = LINES,
                         .inner = 1,
                         .in_length = N,
                         .re = x,
                         .im = x,
                         .out_re = out,
                         .out_im = out + LINES * N});
    CHECK(threads == 1 || memcmp(first, again, sizeof *x * 2 * LINES * N) == 0,
          "%d threads", threads);
  }
  torus_set_threads(before);
  free(x);
  free(first);
  free(again);
}

int main(void) {
  RUN_EACH_ISA(lengths);
  RUN_EACH_ISA(layouts);
  RUN(roots_are_as_good_as_can_be);
  RUN_EACH_ISA(threads_do_not_matter);
  return check_report();
}
