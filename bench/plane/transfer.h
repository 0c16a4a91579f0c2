// Values that go from a worker to a server, or back, again and again: what the
// benchmarks of the data plane measure, by whatever means they travel.
#ifndef EBB_BENCH_PLANE_TRANSFER_H_
#define EBB_BENCH_PLANE_TRANSFER_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ebb::bench {

enum class Direction {
  kPush,  // A gradient goes to the server, which applies SGD, and says so.
  kPull,  // The weights come to the worker, which reads every one.
};

struct Transfer {
  Direction direction = Direction::kPush;
  int64_t bytes = 0;  // Size of the model: a multiple of 4.
  int64_t operations = 1;
  // Outstanding at the caller.
  int in_flight = 1;

  double gigabytes() const {
    return static_cast<double>(bytes) * static_cast<double>(operations) * 1e-9;
  }
};

// All operations of a transfer.
struct TransferSample {
  double seconds = 0;
  double worker_cpu_seconds = 0;
  double server_cpu_seconds = 0;
  // For pushes: until each was acknowledged. Empty: not measured.
  std::vector<double> latencies;

  double cpu_seconds() const { return worker_cpu_seconds + server_cpu_seconds; }
};

// The parts of every push, so that results are known to the bit: the gradient
// of a weight, and the rate.
inline constexpr size_t kGradientPeriod = 7;
inline float GradientAt(size_t i) {
  return static_cast<float>(1 + i % kGradientPeriod);
}
inline constexpr float kTransferRate = 1.0f / 1024;
// The weight after this many pushes, exactly, up to two million of them.
inline float WeightAfter(int64_t pushes, size_t i) {
  return 0.0f - static_cast<float>(pushes) * kTransferRate * GradientAt(i);
}
// The sum of the words (bench/common/limits.h) of the weights [first, last).
inline uint32_t SumAfter(int64_t pushes, size_t first, size_t last) {
  uint32_t sum = 0;
  for (size_t i = first; i < std::min(last, first + kGradientPeriod); ++i) {
    const auto count = static_cast<uint32_t>((last - i + kGradientPeriod - 1) /
                                             kGradientPeriod);
    sum += count * std::bit_cast<uint32_t>(WeightAfter(pushes, i));
  }
  return sum;
}
inline uint32_t SumAfter(int64_t pushes, int64_t bytes) {
  return SumAfter(pushes, 0, static_cast<size_t>(bytes) / sizeof(float));
}

}  // namespace ebb::bench

#endif  // EBB_BENCH_PLANE_TRANSFER_H_
