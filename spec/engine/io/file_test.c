#define _GNU_SOURCE
#include "io/file.h"

#include "check.h"
#include "core/alloc.h"
#include "temporary.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

static bool write_text(const char *path, const char *text, torus_status *s) {
  /* Two parts, to see that they are joined. */
  size_t half = strlen(text) / 2;
  torus_file_part parts[] = {{text, half}, {text + half, strlen(text) - half}};
  *s = (torus_status){0};
  return torus_file_write_atomic(path, parts, 2, s);
}

static bool holds(const char *path, const char *text) {
  size_t bytes = 0;
  char *data = read_file(path, &bytes);
  bool same = data && bytes == strlen(text) && memcmp(data, text, bytes) == 0;
  free(data);
  return same;
}

TEST(writes_all_parts_in_order) {
  torus_status s;
  const char *path = temporary_path("new");
  CHECK(write_text(path, "one two", &s), "%s", s.message);
  CHECK(holds(path, "one two"), "other content");
  CHECK(temporary_files() == 1, "%d files", temporary_files());
}

TEST(replaces_and_keeps_the_mode) {
  torus_status s;
  const char *path = temporary_path("old");
  CHECK(write_text(path, "a long first text", &s), "%s", s.message);
  chmod(path, 0640);
  CHECK(write_text(path, "second", &s), "%s", s.message);
  CHECK(holds(path, "second"), "other content");
  struct stat st;
  stat(path, &st);
  CHECK((st.st_mode & 07777) == 0640, "mode %o", st.st_mode & 07777);
}

TEST(honours_the_umask) {
  torus_status s;
  const char *path = temporary_path("masked");
  mode_t before = umask(027);
  CHECK(write_text(path, "x", &s), "%s", s.message);
  umask(before);
  struct stat st;
  stat(path, &st);
  CHECK((st.st_mode & 07777) == 0640, "mode %o", st.st_mode & 07777);
}

TEST(takes_empty_files) {
  torus_status s;
  const char *path = temporary_path("empty");
  CHECK(write_text(path, "", &s), "%s", s.message);
  CHECK(holds(path, ""), "other content");
}

static bool is_link(const char *path) {
  struct stat st;
  return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

TEST(follows_symbolic_links) {
  torus_status s;
  const char *path = temporary_path("target");
  const char *link = temporary_path("link");
  CHECK(write_text(path, "before", &s), "%s", s.message);
  CHECK(symlink(path, link) == 0, "no link");
  CHECK(write_text(link, "after", &s), "%s", s.message);
  CHECK(holds(path, "after"), "the target is the old one");
  CHECK(is_link(link), "the link is gone");
}

TEST(follows_links_to_what_is_not_there_yet) {
  torus_status s;
  const char *path = temporary_path("unborn_target");
  const char *link = temporary_path("first"), *next = temporary_path("second");
  CHECK(symlink("second", link) == 0, "no link"); /* relative */
  CHECK(symlink(path, next) == 0, "no link");
  CHECK(write_text(link, "text", &s), "%s", s.message);
  CHECK(holds(path, "text"), "not at the end of the links");
  CHECK(is_link(link), "the link is gone");
  CHECK(is_link(next), "the second link is gone");
}

TEST(refuses_links_in_a_circle) {
  torus_status s;
  const char *link = temporary_path("round"), *back = temporary_path("about");
  CHECK(symlink("about", link) == 0 && symlink("round", back) == 0, "no link");
  CHECK(!write_text(link, "x", &s), "succeeded");
  CHECK(strstr(s.message, "levels of symbolic links"), "%s", s.message);
}

/* Links in the way of every name that a temporary file can get. */
TEST(follows_no_link_at_a_temporary_name) {
  torus_status s;
  const char *path = temporary_path("wanted"), *victim = temporary_path("kept");
  CHECK(write_text(victim, "as it was", &s), "%s", s.message);
  char link[4096];
  for (int n = 0; n < 20; n++) {
    snprintf(link, sizeof link, "%s.tmp-%ld-%d", path, (long)getpid(), n);
    CHECK(symlink(victim, link) == 0, "no link");
  }
  CHECK(write_text(path, "text", &s), "%s", s.message);
  CHECK(holds(path, "text"), "other content");
  CHECK(holds(victim, "as it was"), "written through a link");
  CHECK(is_link(link), "the link is gone");
}

/* A limit on the file size stands for a full disk: write(2) fails midway. */
TEST(keeps_the_old_file_when_the_disk_is_full) {
  torus_status s;
  const char *path = temporary_path("kept");
  CHECK(write_text(path, "the old text", &s), "%s", s.message);
  int files = temporary_files();
  static char large[100000];
  torus_file_part part = {large, sizeof large};
  struct rlimit before, small = {5000, 5000};
  getrlimit(RLIMIT_FSIZE, &before);
  small.rlim_max = before.rlim_max;
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  bool ok = torus_file_write_atomic(path, &part, 1, &s);
  setrlimit(RLIMIT_FSIZE, &before);
  CHECK(!ok && s.code == TORUS_EIO, "code %d", s.code);
  CHECK(strstr(s.message, path) != NULL, "%s", s.message);
  CHECK(strstr(s.message, "File too large") != NULL, "%s", s.message);
  CHECK(holds(path, "the old text"), "the old file was touched");
  CHECK(temporary_files() == files, "a temporary file is left");
}

TEST(names_a_missing_directory) {
  torus_status s;
  const char *path = temporary_path("no/such/file");
  CHECK(!write_text(path, "x", &s), "succeeded");
  CHECK(s.code == TORUS_EIO, "code %d", s.code);
  CHECK(strstr(s.message, "No such file or directory"), "%s", s.message);
}

TEST(refuses_a_directory) {
  torus_status s;
  int files = temporary_files();
  CHECK(!write_text(temporary_directory, "x", &s), "succeeded");
  CHECK(strstr(s.message, "is a directory"), "%s", s.message);
  CHECK(temporary_files() == files, "a temporary file is left");
}

TEST(does_not_replace_devices) {
  torus_status s;
  struct stat before, after;
  stat("/dev/null", &before);
  CHECK(write_text("/dev/null", "x", &s), "%s", s.message);
  stat("/dev/null", &after);
  CHECK(S_ISCHR(after.st_mode) && before.st_ino == after.st_ino,
        "the device is gone");
  CHECK(!write_text("/dev/full", "x", &s), "succeeded");
  CHECK(strstr(s.message, "No space left"), "%s", s.message);
}

TEST(reports_exhausted_memory) {
  torus_status s;
  const char *path = temporary_path("unborn");
  torus_alloc_fail_nth(1);
  CHECK(!write_text(path, "x", &s), "succeeded");
  CHECK(s.code == TORUS_ENOMEM, "code %d", s.code);
  CHECK(access(path, F_OK) != 0, "a file appeared");
}

TEST(buffers_grow) {
  torus_file_buffer b = {0};
  for (int i = 0; i < 20000; i++) {
    unsigned char byte = (unsigned char)(i % 251);
    CHECK(torus_file_buffer_add(&b, &byte, 1), "at %d", i);
  }
  CHECK(b.bytes == 20000, "%zu bytes", b.bytes);
  int wrong = 0;
  for (int i = 0; i < 20000; i++) wrong += b.data[i] != i % 251;
  CHECK(wrong == 0, "%d bytes differ", wrong);
  torus_alloc_fail_nth(1);
  static char more[100000];
  CHECK(!torus_file_buffer_add(&b, more, sizeof more), "grew");
  CHECK(b.bytes == 20000, "%zu bytes", b.bytes);
  torus_file_buffer_clear(&b);
}

int main(void) {
  temporary_start();
  size_t live = torus_alloc_get_stats().live_blocks;
  RUN(writes_all_parts_in_order);
  RUN(replaces_and_keeps_the_mode);
  RUN(honours_the_umask);
  RUN(takes_empty_files);
  RUN(follows_symbolic_links);
  RUN(follows_links_to_what_is_not_there_yet);
  RUN(refuses_links_in_a_circle);
  RUN(follows_no_link_at_a_temporary_name);
  RUN(keeps_the_old_file_when_the_disk_is_full);
  RUN(names_a_missing_directory);
  RUN(refuses_a_directory);
  RUN(does_not_replace_devices);
  RUN(reports_exhausted_memory);
  RUN(buffers_grow);
  if (torus_alloc_get_stats().live_blocks != live) {
    check_failed++;
    printf("blocks were lost\n");
  }
  temporary_end();
  return check_report();
}
