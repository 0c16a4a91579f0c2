// The two queues of a device.
#ifndef EBB_MODELS_GPU_LANES_H_
#define EBB_MODELS_GPU_LANES_H_

namespace ebb::models::gpu {

// Each does what it is given one after the other; neither waits for the other
// but where it is told to.
enum class Lane { kCompute, kCopy };
inline constexpr int kLaneCount = 2;

// Places in a lane that the other, or the host, waits for. Marking one again
// changes nothing for who waits already.
inline constexpr int kMarks = 40;

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_LANES_H_
