// The queues of a device.
#ifndef EBB_MODELS_GPU_LANES_H_
#define EBB_MODELS_GPU_LANES_H_

namespace ebb::models::gpu {

// Each lane does its work in order. It waits for another only where it is told
// to.
enum class Lane {
  kCompute,
  kCopy,   // Beside computing, for this batch.
  kAhead,  // In, for the next one.
};
inline constexpr int kLaneCount = 3;

// Places in a lane that another, or the host, waits for. Marking one again does
// not affect those that wait already.
inline constexpr int kMarks = 40;

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_LANES_H_
