/* Loaded before a program by durable.lua: notes in the file $DURABLE_LOG, in
 * their order, which files it writes and flushes to the disk, and what it
 * renames and creates. Paths are absolute, without links. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

static void note(const char *event, const char *path, const char *to) {
  const char *log = getenv("DURABLE_LOG");
  int fd = log ? open(log, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
  if (fd < 0) return;
  dprintf(fd, "%s\t%s\t%s\n", event, path, to);
  close(fd);
}

/* Of regular files and folders. */
static void note_file(const char *event, int fd) {
  struct stat st;
  char link[64], path[PATH_MAX];
  if (fd < 0 || fstat(fd, &st) != 0) return;
  if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) return;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  if (realpath(link, path)) note(event, path, "");
}

ssize_t write(int fd, const void *data, size_t bytes) {
  ssize_t written = REAL(write)(fd, data, bytes);
  note_file("write", fd);
  return written;
}

/* The C library writes a buffer without a call of write that is seen here. */
int fflush(FILE *file) {
  int result = REAL(fflush)(file);
  if (file) note_file("write", fileno(file));
  return result;
}

int fsync(int fd) {
  int result = REAL(fsync)(fd);
  if (result == 0) note_file("fsync", fd);
  return result;
}

int rename(const char *from, const char *to) {
  char before[PATH_MAX], after[PATH_MAX];
  const char *found = realpath(from, before);
  int result = REAL(rename)(from, to);
  if (result == 0 && found && realpath(to, after)) {
    note("rename", before, after);
  }
  return result;
}

int mkdir(const char *path, mode_t mode) {
  char made[PATH_MAX];
  int result = REAL(mkdir)(path, mode);
  if (result == 0 && realpath(path, made)) note("mkdir", made, "");
  return result;
}
