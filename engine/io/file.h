/* Atomic file writes: afterwards, either the complete old or the complete new
 * file exists.
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

/* Sets the next part of a file, borrowed until the following call. False at the
 * end, and after a failure, which it puts into status. */
typedef bool torus_file_next(void *arg, torus_file_part *part,
                             torus_status *status);

/* Writes all parts to a temporary file next to `path`, flushes it to the disk
 * and renames it. On failure the old file is unchanged and the temporary one is
 * removed. A symbolic link is followed, also to a file that does not exist yet;
 * a device or a pipe is written to directly. */
bool torus_file_write_stream(const char *path, torus_file_next *next, void *arg,
                             torus_status *status);

/* The same with all parts given at once. */
bool torus_file_write_atomic(const char *path, const torus_file_part *parts,
                             size_t count, torus_status *status);

/* Flushes a file to the disk; false, and errno, if that fails. Devices and
 * pipes, which have no disk, cannot fail. */
bool torus_file_flush(int fd);

/* Flushes the renames in a folder, and what was created there, to the disk. */
void torus_file_flush_folder(const char *folder);

/* A growing byte buffer; initialise with {0}. */
typedef struct torus_file_buffer {
  unsigned char *data;
  size_t bytes;
  size_t capacity;
} torus_file_buffer;

/* False when memory is exhausted; the contents are then unchanged. */
bool torus_file_buffer_add(torus_file_buffer *buffer, const void *data,
                           size_t bytes);
void torus_file_buffer_clear(torus_file_buffer *buffer);

#endif
