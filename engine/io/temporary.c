#define _GNU_SOURCE
#include "io/temporary.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "torus-"
/* Seconds after which a folder may belong to a process that has ended. A
 * process in another container seems to have: it needs its folder for a plot's
 * time. */
#define FOLDER_AGE 60

static time_t started;

/* What is older than the process is not its own, in spite of an equal number.
 */
__attribute__((constructor)) static void remember_start(void) {
  started = time(NULL);
}

/* When the process that has this number now began, by the clock; after all
 * files where it has ended and nobody has collected it yet, as in a container
 * whose first process collects none; before all files where that is unknown. */
static time_t start_of(long process) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%ld/stat", process);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  text[length < 0 ? 0 : length] = '\0';
  const char *after_name = strrchr(text, ')');
  char state;
  unsigned long long ticks;
  struct timespec now, up;
  if (!after_name ||
      sscanf(after_name + 1,
             " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
             "%*s %*s %*s %llu",
             &state, &ticks) != 2 ||
      clock_gettime(CLOCK_REALTIME, &now) != 0 ||
      clock_gettime(CLOCK_BOOTTIME, &up) != 0) {
    return 0;
  }
  if (state == 'Z' || state == 'X') return LONG_MAX;
  return now.tv_sec - up.tv_sec +
         (time_t)(ticks / (unsigned long long)sysconf(_SC_CLK_TCK));
}

static bool has_ended(long process, const struct stat *file) {
  if (process <= 0 || process > INT_MAX) return false;
  if (process == (long)getpid()) return file->st_mtime < started - 1;
  return (kill((pid_t)process, 0) != 0 && errno == ESRCH) ||
         start_of(process) == LONG_MAX;
}

/* Whether another process has its number by now. */
static bool is_older(const struct stat *file, long process) {
  return file->st_mtime < start_of(process) - 2;
}

/* The number at `text`, and where it ends; 0 without one. */
static long number_at(const char *text, const char **end) {
  char *stop = NULL;
  long n = isdigit((unsigned char)*text) ? strtol(text, &stop, 10) : 0;
  *end = stop ? stop : text;
  return n;
}

/* torus-<process>-<six characters> */
static long process_of_folder(const char *name) {
  const char *end;
  if (strncmp(name, PREFIX, strlen(PREFIX)) != 0) return 0;
  long process = number_at(name + strlen(PREFIX), &end);
  return *end == '-' && strlen(end) == 7 ? process : 0;
}

/* <file>.tmp-<process>-<count>, as io/file.c has it. */
static long process_of_file(const char *name) {
  const char *found = NULL, *end;
  for (const char *p = name; (p = strstr(p, ".tmp-")); p++) found = p;
  if (!found || found == name) return 0;
  long process = number_at(found + strlen(".tmp-"), &end);
  if (*end != '-' || !isdigit((unsigned char)end[1])) return 0;
  number_at(end + 1, &end);
  return *end == '\0' ? process : 0;
}

/* Names that earlier versions gave to their temporary files. */
static bool is_former_name(const char *name) {
  static const char *const names[] = {"config.json.tmp", "log.csv.tmp",
                                      ".write-probe", "train.npy.part",
                                      "test.npy.part"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcmp(name, names[i]) == 0) return true;
  }
  return false;
}

/* A folder without subfolders; links in it are removed, not followed. */
static void remove_folder(int parent, const char *name) {
  int fd =
      openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *d = fd < 0 ? NULL : fdopendir(fd);
  if (d) {
    for (struct dirent *e; (e = readdir(d));) unlinkat(fd, e->d_name, 0);
    closedir(d);
  } else if (fd >= 0) {
    close(fd);
  }
  unlinkat(parent, name, AT_REMOVEDIR);
}

static void remove_old_folders(const char *directory) {
  DIR *d = opendir(directory);
  if (!d) return;
  for (struct dirent *e; (e = readdir(d));) {
    struct stat st;
    long process = process_of_folder(e->d_name);
    if (process == 0 ||
        fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
      continue;
    }
    if (S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
        st.st_mtime < time(NULL) - FOLDER_AGE && has_ended(process, &st)) {
      remove_folder(dirfd(d), e->d_name);
    }
  }
  closedir(d);
}

bool torus_temporary_folder(char *path, size_t size, torus_status *status) {
  const char *given = getenv("TMPDIR");
  char *directory = realpath(given && *given ? given : "/tmp", NULL);
  if (!directory) {
    return torus_status_fail(status, TORUS_EIO, "TMPDIR: %s: %s",
                             given && *given ? given : "/tmp", strerror(errno));
  }
  remove_old_folders(directory);
  int length = snprintf(path, size, "%s/" PREFIX "%ld-XXXXXX", directory,
                        (long)getpid());
  if (length < 0 || (size_t)length >= size) {
    torus_status_fail(status, TORUS_EIO, "TMPDIR: %s: its path is too long",
                      directory);
  } else if (!mkdtemp(path)) {
    torus_status_fail(status, TORUS_EIO,
                      "%s: cannot create a temporary folder: %s", directory,
                      strerror(errno));
  }
  free(directory);
  return status->code == TORUS_OK;
}

void torus_temporary_remove(const char *path) { remove_folder(AT_FDCWD, path); }

int torus_temporary_clear(const char *folder) {
  DIR *d = opendir(folder);
  int removed = 0;
  if (!d) return 0;
  for (struct dirent *e; (e = readdir(d));) {
    struct stat st;
    long process = process_of_file(e->d_name);
    bool former = is_former_name(e->d_name);
    if ((process == 0 && !former) ||
        fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
      continue;
    }
    if ((S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)) &&
        (former || has_ended(process, &st) || is_older(&st, process)) &&
        unlinkat(dirfd(d), e->d_name, 0) == 0) {
      removed++;
    }
  }
  closedir(d);
  return removed;
}
