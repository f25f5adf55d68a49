#include "core/status.h"

#include "check.h"

#include <string.h>

TEST(formats_the_message) {
  torus_status s = {0};
  bool ok = torus_status_fail(&s, TORUS_EINVAL, "add: got (%d,%d)", 2, 3);
  CHECK(!ok, "fail returned true");
  CHECK(s.code == TORUS_EINVAL, "code %d", s.code);
  CHECK(strcmp(s.message, "add: got (2,3)") == 0, "%s", s.message);
}

TEST(keeps_the_first_error) {
  torus_status s = {0};
  torus_status_fail(&s, TORUS_ENOMEM, "first");
  bool ok = torus_status_fail(&s, TORUS_EIO, "second");
  CHECK(!ok, "fail returned true");
  CHECK(s.code == TORUS_ENOMEM, "code %d", s.code);
  CHECK(strcmp(s.message, "first") == 0, "%s", s.message);
}

TEST(cuts_long_messages) {
  torus_status s = {0};
  char text[2 * TORUS_MESSAGE_MAX];
  memset(text, 'x', sizeof text);
  text[sizeof text - 1] = '\0';
  torus_status_fail(&s, TORUS_EIO, "%s", text);
  CHECK(strlen(s.message) == TORUS_MESSAGE_MAX - 1, "length %zu",
        strlen(s.message));
}

TEST(clears) {
  torus_status s = {0};
  torus_status_fail(&s, TORUS_EIO, "gone");
  torus_status_clear(&s);
  CHECK(s.code == TORUS_OK, "code %d", s.code);
  CHECK(s.message[0] == '\0', "%s", s.message);
}

int main(void) {
  RUN(formats_the_message);
  RUN(keeps_the_first_error);
  RUN(cuts_long_messages);
  RUN(clears);
  return check_report();
}
