#include "common/testing/wall_clock.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

constexpr int64_t kSecond = 1'000'000'000;

// By how many nanoseconds the clock is ahead: in the file, if there is one.
std::atomic<int64_t>& Ahead() {
  static std::atomic<int64_t> own = 0;
  static std::atomic<int64_t>* const ahead = [] {
    const char* const path = getenv("EBB_TEST_WALL_CLOCK");
    const int fd = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return &own;
    void* const mapped =
        mmap(nullptr, sizeof(own), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return mapped == MAP_FAILED ? &own
                                : static_cast<std::atomic<int64_t>*>(mapped);
  }();
  return *ahead;
}

}  // namespace

namespace ebb {

void SetWallClock(absl::Duration ahead) {
  Ahead() = absl::ToInt64Nanoseconds(ahead);
}

}  // namespace ebb

// In place of those of the C library.
extern "C" {

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  if (syscall(SYS_clock_gettime, clock, time) != 0) return -1;
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
    const int64_t now = time->tv_sec * kSecond + time->tv_nsec + Ahead();
    *time = {.tv_sec = now / kSecond, .tv_nsec = now % kSecond};
  }
  return 0;
}

int gettimeofday(timeval* time, void* /*zone*/) noexcept {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  *time = {.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* seconds) noexcept {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  if (seconds != nullptr) *seconds = now.tv_sec;
  return now.tv_sec;
}

}  // extern "C"
