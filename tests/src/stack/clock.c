/* The calendar of a program under test is wrong by as many seconds as stand in a file that it shares
 * with the test. Loaded before the C library (LD_PRELOAD). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *wrong_by_s;

__attribute__((constructor)) static void share(void) {
  const char *path = getenv("CLOCK_WRONG_BY");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *shared = mmap(NULL, sizeof *wrong_by_s, PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (shared != MAP_FAILED) wrong_by_s = shared;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int outcome = (int)syscall(SYS_clock_gettime, clock, now);
  if (outcome == 0 && clock == CLOCK_REALTIME && wrong_by_s) now->tv_sec += *wrong_by_s;
  return outcome;
}
