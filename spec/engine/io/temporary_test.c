#define _GNU_SOURCE
#include "io/temporary.h"

#include "check.h"
#include "temporary.h"

#include <limits.h>
#include <sys/wait.h>

/* The number of a process that has ended. */
static long ended_process(void) {
  pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, NULL, 0);
  return child;
}

static void create(const char *path) { fclose(fopen(path, "w")); }

static bool is_there(const char *path) {
  struct stat st;
  return lstat(path, &st) == 0;
}

static void make_old(const char *path) {
  char command[PATH_MAX + 64];
  snprintf(command, sizeof command, "touch -h -d '1 hour ago' %s", path);
  CHECK(system(command) == 0, "%s", command);
}

TEST(a_folder_is_private_and_goes) {
  char path[PATH_MAX];
  torus_status s = {0};
  setenv("TMPDIR", temporary_directory, 1);
  CHECK(torus_temporary_folder(path, sizeof path, &s), "%s", s.message);
  struct stat st;
  CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0700, "mode %o",
        st.st_mode);
  char file[PATH_MAX + 8];
  snprintf(file, sizeof file, "%s/a", path);
  create(file);
  torus_temporary_remove(path);
  CHECK(!is_there(path), "it is still there");
}

TEST(a_folder_of_an_ended_process_goes) {
  char path[PATH_MAX], name[64];
  torus_status s = {0};
  long process = ended_process();
  snprintf(name, sizeof name, "torus-%ld-abcdef", process);
  const char *old = temporary_path(name);
  mkdir(old, 0700);
  snprintf(name, sizeof name, "torus-%ld-ghijkl", process);
  const char *young = temporary_path(name);
  mkdir(young, 0700);
  snprintf(name, sizeof name, "torus-%ld-mnopqr", (long)getppid());
  const char *alive = temporary_path(name);
  mkdir(alive, 0700);
  snprintf(name, sizeof name, "torus-%ld-stuvwx", process);
  const char *link = temporary_path(name);
  CHECK(symlink(alive, link) == 0, "no link");
  make_old(old);
  make_old(alive);
  make_old(link);
  CHECK(torus_temporary_folder(path, sizeof path, &s), "%s", s.message);
  CHECK(!is_there(old), "the old one is there");
  CHECK(is_there(young), "the young one is gone");
  CHECK(is_there(alive), "one in use is gone");
  CHECK(is_there(link), "a link is gone");
  torus_temporary_remove(path);
  rmdir(young);
  rmdir(alive);
}

TEST(what_an_ended_process_wrote_goes) {
  char name[64];
  snprintf(name, sizeof name, "a.tmp-%ld-3", ended_process());
  const char *left = temporary_path(name);
  create(left);
  snprintf(name, sizeof name, "a.tmp-%ld-3", (long)getppid());
  const char *alive = temporary_path(name);
  create(alive);
  snprintf(name, sizeof name, "a.tmp-%ld-0", (long)getpid());
  const char *mine = temporary_path(name);
  create(mine);
  const char *others[] = {temporary_path("a.tmp-1-2-3"),
                          temporary_path("a.tmp-x-2"), temporary_path("a.tmp")};
  for (int i = 0; i < 3; i++) create(others[i]);
  const char *former = temporary_path("config.json.tmp");
  create(former);
  CHECK(torus_temporary_clear(temporary_directory) == 2, "not two");
  CHECK(!is_there(left) && !is_there(former), "what was left is there");
  CHECK(is_there(alive) && is_there(mine), "what is in use is gone");
  for (int i = 0; i < 3; i++) CHECK(is_there(others[i]), "%s", others[i]);
  make_old(mine);
  CHECK(torus_temporary_clear(temporary_directory) == 1, "not one");
  CHECK(!is_there(mine), "that of an equal number is there");
  CHECK(torus_temporary_clear("/no/such/folder") == 0, "not none");
}

TEST(no_folder_is_a_message) {
  char path[PATH_MAX];
  torus_status s = {0};
  setenv("TMPDIR", "/no/such/folder", 1);
  CHECK(!torus_temporary_folder(path, sizeof path, &s), "made");
  CHECK(strstr(s.message, "/no/such/folder"), "%s", s.message);
}

int main(void) {
  temporary_start();
  RUN(a_folder_is_private_and_goes);
  RUN(a_folder_of_an_ended_process_goes);
  RUN(what_an_ended_process_wrote_goes);
  RUN(no_folder_is_a_message);
  temporary_end();
  return check_report();
}
