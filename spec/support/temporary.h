/* A directory for the files of one C spec. */
#ifndef TORUS_SPEC_TEMPORARY_H
#define TORUS_SPEC_TEMPORARY_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char temporary_directory[] = "/tmp/torus-spec-XXXXXX";

static inline void temporary_start(void) {
  if (!mkdtemp(temporary_directory)) {
    perror(temporary_directory);
    exit(2);
  }
}

/* Valid until the eighth call after this one. */
static inline const char *temporary_path(const char *name) {
  static char paths[8][512];
  static int next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", temporary_directory, name);
  return path;
}

static inline int temporary_files(void) {
  DIR *d = opendir(temporary_directory);
  int files = -2; /* . and .. */
  while (readdir(d)) files++;
  closedir(d);
  return files;
}

static inline void temporary_end(void) {
  DIR *d = opendir(temporary_directory);
  for (struct dirent *e; (e = readdir(d));) unlink(temporary_path(e->d_name));
  closedir(d);
  rmdir(temporary_directory);
}

/* The whole file, with a zero after it, for the caller to free; or NULL. */
static inline char *read_file(const char *path, size_t *bytes) {
  FILE *f = fopen(path, "rb");
  if (!f) return NULL;
  fseek(f, 0, SEEK_END);
  *bytes = (size_t)ftell(f);
  rewind(f);
  char *data = malloc(*bytes + 1);
  if (data && fread(data, 1, *bytes, f) == *bytes) {
    data[*bytes] = '\0';
  } else {
    free(data);
    data = NULL;
  }
  fclose(f);
  return data;
}

#endif
