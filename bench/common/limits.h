// The best that this machine can do, by the plainest means, for comparison with
// benchmarks. bench/plane/raw_socket.h has the network's.
#ifndef EBB_BENCH_COMMON_LIMITS_H_
#define EBB_BENCH_COMMON_LIMITS_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/functional/function_ref.h"

namespace ebb::bench {

// Memory aligned like blocks, zeros, touched once.
class AlignedFloats {
 public:
  explicit AlignedFloats(size_t floats);
  std::span<float> span() { return {lines_[0].floats, size_}; }
  std::span<const float> span() const { return {lines_[0].floats, size_}; }
  std::span<std::byte> bytes() { return std::as_writable_bytes(span()); }

 private:
  static constexpr size_t kPerLine = 16;
  struct alignas(64) Line {
    float floats[kPerLine] = {};
  };
  std::unique_ptr<Line[]> lines_;
  size_t size_;
};

int64_t LastLevelCacheBytes();
// The size of an array that does not fit into the cache: four times the
// last-level cache, at most kMaxArrayBytes.
inline constexpr int64_t kMaxArrayBytes = int64_t{1} << 30;
int64_t UncachedArrayBytes();
// Processor, cores, last-level cache.
std::string MachineText();
// The system's, under which all sockets of a benchmark run.
std::string CongestionControl();
// Load over the last minute: other programs use the machine, too.
double LoadAverage();

double SecondsOf(absl::FunctionRef<void()> work);
// CPU time that a process has used so far, all threads; 0: this one. Returns 0
// if it is gone.
double CpuSeconds(pid_t process);

// Bytes that memcpy copies in a second, from and to arrays of `bytes`.
double CopyBytesPerSecond(int64_t bytes);
// STREAM (McCalpin 1995): a[i] = b[i] + s * c[i]. Spans of one size.
void Triad(std::span<float> a, std::span<const float> b,
           std::span<const float> c, float s);
// Bytes read and written in a second by one thread, with arrays of this size.
double TriadBytesPerSecond(int64_t array_bytes);

// Plain SGD in place: w -= rate * g.
void PlainSgd(std::span<float> weights, std::span<const float> gradient,
              float rate);
// Reads all: returns the sum of the words of `bytes`, wherever they lie; an
// incomplete word at the end is left out.
uint32_t WordSum(std::span<const std::byte> bytes);

}  // namespace ebb::bench

#endif  // EBB_BENCH_COMMON_LIMITS_H_
