// When packets leave an emulated link: its rate, its delay and its losses, as
// arithmetic on times.
#ifndef EBB_BENCH_PLANE_LINK_SCHEDULE_H_
#define EBB_BENCH_PLANE_LINK_SCHEDULE_H_

#include <cstdint>
#include <optional>
#include <random>

namespace ebb::bench {

struct LinkShape {
  // In each direction; 0: as fast as it goes.
  int64_t bits_per_second = 0;
  // The delay in each direction is half of it.
  int64_t round_trip_ns = 0;
  // The share of packets that are lost, from 0 to 1.
  double loss = 0;
};

// One direction of a link. A packet waits until those before it are sent, takes
// its size at the link's rate, and arrives after the delay. A packet that would
// wait for more than `queue_bytes` is dropped, as at a switch.
// Thread-compatible.
class LinkSchedule {
 public:
  LinkSchedule(int64_t queue_bytes, uint64_t seed)
      : queue_bytes_(queue_bytes), random_(seed) {}

  // A packet enters at `now_ns`, which never goes back. Returns when it
  // arrives; none: it is dropped.
  std::optional<int64_t> Enter(const LinkShape& shape, int64_t now_ns,
                               int64_t bytes);

 private:
  const int64_t queue_bytes_;
  std::mt19937_64 random_;
  int64_t free_at_ns_ = 0;  // All packets before it are sent then.
  int64_t last_ns_ = 0;     // Arrivals keep their order.
};

}  // namespace ebb::bench

#endif  // EBB_BENCH_PLANE_LINK_SCHEDULE_H_
