/* Files that are either the old one or the new one, never half of it.
 *
 * A buffer owns its memory; everything else is borrowed. Errors: TORUS_EIO
 * with the path and the system's reason, TORUS_ENOMEM. */
#ifndef TORUS_IO_FILE_H
#define TORUS_IO_FILE_H

#include "core/status.h"

#include <stddef.h>

typedef struct torus_file_part {
  const void *data;
  size_t bytes;
} torus_file_part;

/* Writes the parts one after the other to a temporary file beside `path`,
 * flushes it to the disk and renames it. On failure the old file stands as it
 * was and the temporary one is gone. A symbolic link is followed, also to a
 * file that is not there yet; a device or a pipe is written to directly. */
bool torus_file_write_atomic(const char *path, const torus_file_part *parts,
                             size_t count, torus_status *status);

/* Bytes that grow; start with {0}. */
typedef struct torus_file_buffer {
  unsigned char *data;
  size_t bytes;
  size_t capacity;
} torus_file_buffer;

/* False when memory is exhausted; what was there stays. */
bool torus_file_buffer_add(torus_file_buffer *buffer, const void *data,
                           size_t bytes);
void torus_file_buffer_clear(torus_file_buffer *buffer);

#endif
