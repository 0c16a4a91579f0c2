#include "bench/common/limits.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <limits>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace ebb::bench {

AlignedFloats::AlignedFloats(size_t floats)
    : lines_(std::make_unique<Line[]>((floats + kPerLine - 1) / kPerLine)),
      size_(floats) {}

// From the kernel: the C library multiplies it on some AMD processors.
int64_t LastLevelCacheBytes() {
  int64_t largest = 0;
  for (int index = 0; index < 8; ++index) {
    std::ifstream file(absl::StrCat("/sys/devices/system/cpu/cpu0/cache/index",
                                    index, "/size"));
    int64_t kib = 0;
    if (file >> kib) largest = std::max(largest, kib * 1024);
  }
  if (largest == 0) largest = sysconf(_SC_LEVEL3_CACHE_SIZE);
  // Machines that do not tell: as much as most have.
  return largest > 0 ? largest : int64_t{64} << 20;
}

int64_t UncachedArrayBytes() {
  return std::min(4 * LastLevelCacheBytes(), kMaxArrayBytes);
}

std::string MachineText() {
  std::string model = "unknown processor";
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (absl::StartsWith(line, "model name")) {
      model = line.substr(std::min(line.find(':') + 2, line.size()));
      break;
    }
  }
  return absl::StrCat(model, ", ", std::thread::hardware_concurrency(),
                      " cores, last-level cache ", LastLevelCacheBytes() >> 20,
                      " MiB");
}

std::string CongestionControl() {
  std::ifstream file("/proc/sys/net/ipv4/tcp_congestion_control");
  std::string name;
  return file >> name ? name : "unknown";
}

double LoadAverage() {
  std::ifstream file("/proc/loadavg");
  double load = 0;
  file >> load;
  return load;
}

double SecondsOf(absl::FunctionRef<void()> work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

double CpuSeconds(pid_t process) {
  clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
  timespec used = {};
  if (process != 0 && clock_getcpuclockid(process, &clock) != 0) return 0;
  if (clock_gettime(clock, &used) != 0) return 0;
  return static_cast<double>(used.tv_sec) +
         static_cast<double>(used.tv_nsec) * 1e-9;
}

double CopyBytesPerSecond(int64_t bytes) {
  // Long enough for a clock, and the best of some: it is a limit.
  constexpr int64_t kAtOnce = int64_t{256} << 20;
  constexpr int kTries = 5;
  const auto size = static_cast<size_t>(bytes);
  AlignedFloats from(size / sizeof(float)), to(size / sizeof(float));
  const int64_t times = std::max<int64_t>(1, kAtOnce / bytes);
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kTries; ++i) {
    best = std::min(best, SecondsOf([&] {
                      for (int64_t n = 0; n < times; ++n) {
                        std::memcpy(to.bytes().data(), from.bytes().data(),
                                    from.bytes().size());
                        // Or the compiler may see that nobody looks.
                        asm volatile("" : : "r"(to.bytes().data()) : "memory");
                      }
                    }));
  }
  return static_cast<double>(bytes * times) / best;
}

void Triad(std::span<float> a, std::span<const float> b,
           std::span<const float> c, float s) {
  float* __restrict to = a.data();
  const float* __restrict from = b.data();
  const float* __restrict scaled = c.data();
  for (size_t i = 0; i < a.size(); ++i) to[i] = from[i] + s * scaled[i];
}

double TriadBytesPerSecond(int64_t array_bytes) {
  constexpr int kTries = 5;
  const auto bytes = static_cast<size_t>(array_bytes);
  const size_t floats = bytes / sizeof(float);
  AlignedFloats a(floats), b(floats), c(floats);
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kTries; ++i) {
    best = std::min(
        best, SecondsOf([&] { Triad(a.span(), b.span(), c.span(), 0.5f); }));
  }
  return 3 * static_cast<double>(bytes) / best;
}

void PlainSgd(std::span<float> weights, std::span<const float> gradient,
              float rate) {
  float* __restrict w = weights.data();
  const float* __restrict g = gradient.data();
  for (size_t i = 0; i < weights.size(); ++i) w[i] -= rate * g[i];
}

uint32_t WordSum(std::span<const std::byte> bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i + sizeof(sum) <= bytes.size(); i += sizeof(sum)) {
    uint32_t word = 0;
    std::memcpy(&word, bytes.data() + i, sizeof(word));
    sum += word;
  }
  return sum;
}

}  // namespace ebb::bench
