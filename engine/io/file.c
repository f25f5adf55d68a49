#define _GNU_SOURCE
#include "io/file.h"

#include "core/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One call of write(2) moves at most this much. */
#define WRITE_MAX ((size_t)1 << 30)
#define NAME_TRIES 100
/* As many as the kernel follows. */
#define LINKS_MAX 40

static bool fail(torus_status *status, const char *path, const char *what) {
  return torus_status_fail(status, TORUS_EIO, "%s: %s: %s", path, what,
                           strerror(errno));
}

/* Where the parts come from, and where they go to. */
typedef struct stream {
  const char *path;
  torus_file_next *next;
  void *arg;
} stream;

static bool write_part(int fd, torus_file_part part) {
  const char *data = part.data;
  while (part.bytes > 0) {
    ssize_t n =
        write(fd, data, part.bytes < WRITE_MAX ? part.bytes : WRITE_MAX);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    data += n;
    part.bytes -= (size_t)n;
  }
  return true;
}

static void write_all(int fd, const stream *s, torus_status *status) {
  torus_file_part part;
  while (status->code == TORUS_OK && s->next(s->arg, &part, status)) {
    if (!write_part(fd, part)) fail(status, s->path, "cannot write");
  }
}

/* A new file `path`.tmp-<something>; its name goes to `temporary`. Made with
 * the user's umask, which mkstemp would not honour. */
static int create_beside(const char *path, char *temporary, size_t size) {
  static unsigned counter;
  for (int i = 0; i < NAME_TRIES; i++) {
    unsigned n = __atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED);
    snprintf(temporary, size, "%s.tmp-%ld-%u", path, (long)getpid(), n);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
  return -1;
}

bool torus_file_flush(int fd) {
  int result;
  do {
    result = fsync(fd);
  } while (result != 0 && errno == EINTR);
  return result == 0 || errno == EINVAL;
}

/* The data is safe by then, and some file systems cannot flush a directory: a
 * failure here is not reported. */
void torus_file_flush_folder(const char *folder) {
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  torus_file_flush(fd);
  close(fd);
}

/* Of a file; changes its path. */
static void flush_directory(char *path) {
  char *slash = strrchr(path, '/');
  if (slash && slash != path) *slash = '\0';
  torus_file_flush_folder(!slash ? "." : slash == path ? "/" : path);
}

/* The path that a chain of symbolic links to no file yet ends at, or `path`
 * itself; to be freed. NULL: an endless chain, or no memory. */
static char *end_of_links(const char *path) {
  char text[PATH_MAX];
  char *at = strdup(path);
  for (int i = 0; at && i < LINKS_MAX; i++) {
    ssize_t n = readlink(at, text, sizeof text - 1);
    if (n < 0) return at;
    text[n] = '\0';
    const char *slash = text[0] == '/' ? NULL : strrchr(at, '/');
    int directory = slash ? (int)(slash - at) + 1 : 0;
    char *next = NULL;
    if (asprintf(&next, "%.*s%s", directory, at, text) < 0) next = NULL;
    free(at);
    at = next;
  }
  errno = at ? ELOOP : ENOMEM;
  free(at);
  return NULL;
}

static bool write_directly(const stream *s, torus_status *status) {
  int fd = open(s->path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return fail(status, s->path, "cannot open");
  write_all(fd, s, status);
  if (close(fd) != 0) fail(status, s->path, "cannot close");
  return status->code == TORUS_OK;
}

/* `temporary` is scratch for strlen(s->path) + 64 bytes. */
static bool write_and_rename(const stream *s, char *temporary, size_t size,
                             mode_t mode, torus_status *status) {
  const char *path = s->path;
  int fd = create_beside(path, temporary, size);
  if (fd < 0)
    return fail(status, path, "cannot create a temporary file next to it");
  /* A file that stood there keeps its permissions. */
  if (mode && fchmod(fd, mode) != 0) fail(status, path, "cannot set its mode");
  write_all(fd, s, status);
  if (status->code == TORUS_OK && !torus_file_flush(fd)) {
    fail(status, path, "cannot flush");
  }
  if (close(fd) != 0) fail(status, path, "cannot close");
  if (status->code == TORUS_OK && rename(temporary, path) != 0) {
    fail(status, path, "cannot replace");
  }
  if (status->code != TORUS_OK) {
    unlink(temporary);
    return false;
  }
  strcpy(temporary, path);
  flush_directory(temporary);
  return true;
}

bool torus_file_write_stream(const char *path, torus_file_next *next, void *arg,
                             torus_status *status) {
  struct stat old;
  bool exists = stat(path, &old) == 0;
  if (exists && S_ISDIR(old.st_mode)) {
    return torus_status_fail(status, TORUS_EIO, "%s: is a directory", path);
  }
  /* Renaming needs no permission to write to the file that it replaces. */
  if (exists && access(path, W_OK) != 0) {
    return fail(status, path, "cannot write");
  }
  if (exists && !S_ISREG(old.st_mode)) {
    return write_directly(&(stream){path, next, arg}, status);
  }
  char *target = exists ? realpath(path, NULL) : end_of_links(path);
  if (!target) return fail(status, path, "cannot follow its links");
  size_t size = strlen(target) + 64;
  char *temporary = torus_alloc(size);
  bool ok =
      temporary
          ? write_and_rename(&(stream){target, next, arg}, temporary, size,
                             exists ? old.st_mode & 07777 : 0, status)
          : torus_status_fail(status, TORUS_ENOMEM, "out of memory");
  torus_free(temporary);
  free(target);
  return ok;
}

/* What is left of a list of parts. */
typedef struct part_list {
  const torus_file_part *parts;
  size_t count;
} part_list;

static bool next_of_list(void *arg, torus_file_part *part,
                         torus_status *status) {
  (void)status;
  part_list *list = arg;
  if (list->count == 0) return false;
  *part = *list->parts++;
  list->count--;
  return true;
}

bool torus_file_write_atomic(const char *path, const torus_file_part *parts,
                             size_t count, torus_status *status) {
  part_list list = {parts, count};
  return torus_file_write_stream(path, next_of_list, &list, status);
}

bool torus_file_buffer_add(torus_file_buffer *buffer, const void *data,
                           size_t bytes) {
  if (bytes > buffer->capacity - buffer->bytes) {
    size_t capacity = buffer->capacity ? buffer->capacity : 4096;
    while (capacity - buffer->bytes < bytes) capacity *= 2;
    unsigned char *grown = torus_alloc(capacity);
    if (!grown) return false;
    if (buffer->bytes > 0) memcpy(grown, buffer->data, buffer->bytes);
    torus_free(buffer->data);
    buffer->data = grown;
    buffer->capacity = capacity;
  }
  if (bytes > 0) memcpy(buffer->data + buffer->bytes, data, bytes);
  buffer->bytes += bytes;
  return true;
}

void torus_file_buffer_clear(torus_file_buffer *buffer) {
  torus_free(buffer->data);
  *buffer = (torus_file_buffer){0};
}
