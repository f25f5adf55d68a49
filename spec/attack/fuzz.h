/* What is fuzzed without Lua in between: the readers that are written in C. */
#ifndef SPEC_ATTACK_FUZZ_H
#define SPEC_ATTACK_FUZZ_H

#include <stddef.h>
#include <stdint.h>

typedef struct fuzz_reader {
  const char *name;
  /* Aborts at a fault. */
  void (*read)(const uint8_t *data, size_t size);
  /* Mends what a mutation breaks and a reader refuses at once; or NULL. */
  void (*mend)(uint8_t *data, size_t size);
} fuzz_reader;

/* NULL for another name. */
const fuzz_reader *fuzz_reader_named(const char *name);

#endif
