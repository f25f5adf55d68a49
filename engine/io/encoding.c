#include "io/encoding.h"

#include <string.h>

bool torus_encoding_fits(const torus_encoding *e, torus_dtype dtype) {
  int size = (int)torus_dtype_size(dtype);
  if (e->number == TORUS_NUMBER_FLOAT || e->number == TORUS_NUMBER_BFLOAT) {
    return dtype == (e->bytes == 8 ? TORUS_FLOAT64 : TORUS_FLOAT32);
  }
  if (torus_dtype_is_float(dtype)) return false;
  if (e->number == TORUS_NUMBER_BOOL) return e->bytes == 1 && size == 1;
  if (e->number == TORUS_NUMBER_UNSIGNED && e->bytes > 1) {
    return size > e->bytes ? size >= 4 : size == 8;
  }
  return size >= e->bytes &&
         (size >= 4 ||
          (e->number == TORUS_NUMBER_UNSIGNED && dtype == TORUS_UINT8));
}

/* The bits of one element. */
static uint64_t bits_at(const torus_encoding *e, const unsigned char *at) {
  uint64_t bits = 0;
  for (int i = 0; i < e->bytes; i++) {
    bits |= (uint64_t)at[e->big_endian ? e->bytes - 1 - i : i] << (8 * i);
  }
  return bits;
}

/* The bits of the float32 that a float16 is. */
static uint32_t widened(uint32_t half) {
  uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 31;
  uint32_t fraction = half & 0x3ffu;
  if (exponent == 31) return sign | 0x7f800000u | fraction << 13;
  if (exponent > 0) return sign | (exponent + 112) << 23 | fraction << 13;
  if (fraction == 0) return sign;
  /* A subnormal one has a normal float32. */
  int shift = __builtin_clz(fraction) - 21;
  fraction = fraction << shift & 0x3ffu;
  return sign | (uint32_t)(113 - shift) << 23 | fraction << 13;
}

static int64_t signed_of(const torus_encoding *e, uint64_t bits) {
  int unused = 64 - 8 * e->bytes;
  return (int64_t)(bits << unused) >> unused;
}

static void store(void *out, int64_t i, size_t size, uint64_t value) {
  switch (size) {
  case 1:
    ((uint8_t *)out)[i] = (uint8_t)value;
    break;
  case 4:
    ((uint32_t *)out)[i] = (uint32_t)value;
    break;
  default:
    ((uint64_t *)out)[i] = value;
  }
}

/* The bits of an element of the dtype; false where it has none. */
static bool convert(const torus_encoding *e, uint64_t *bits) {
  switch (e->number) {
  case TORUS_NUMBER_FLOAT:
    if (e->bytes == 2) *bits = widened((uint32_t)*bits);
    return true;
  case TORUS_NUMBER_BFLOAT:
    *bits <<= 16;
    return true;
  case TORUS_NUMBER_SIGNED:
    *bits = (uint64_t)signed_of(e, *bits);
    return true;
  case TORUS_NUMBER_BOOL:
    return *bits <= 1;
  default:
    return *bits <= INT64_MAX;
  }
}

/* Whether the bytes are the tensor's own. */
static bool is_native(const torus_encoding *e, size_t size) {
  bool little = !e->big_endian || e->bytes == 1;
  bool unsure = e->number == TORUS_NUMBER_BOOL ||
                (e->number == TORUS_NUMBER_UNSIGNED && e->bytes > 1);
  return little && !unsure && (size_t)e->bytes == size;
}

bool torus_encoding_read(const torus_encoding *e, const void *data,
                         int64_t count, torus_dtype dtype, void *out,
                         torus_status *status) {
  size_t size = torus_dtype_size(dtype);
  if (is_native(e, size)) {
    memcpy(out, data, (size_t)count * size);
    return true;
  }
  const unsigned char *at = data;
  for (int64_t i = 0; i < count; i++, at += e->bytes) {
    uint64_t bits = bits_at(e, at);
    if (!convert(e, &bits)) {
      return torus_status_fail(
          status, TORUS_EIO, "element %lld: expected %s, got %llu",
          (long long)i + 1,
          e->number == TORUS_NUMBER_BOOL ? "a bool as 0 or 1"
                                         : "an integer below 2^63",
          (unsigned long long)bits);
    }
    store(out, i, size, bits);
  }
  return true;
}
