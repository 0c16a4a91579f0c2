// Learning rates and batch sizes as functions of the place in the data.
//
// They never depend on time, on arrival or on the number of updates. So every
// computation of a batch comes to the same rate and size.
//
//   LearningRate rate(0.1, {.kind = RateKind::kCosine}, /*epochs=*/8);
//   rate.At(BatchPosition(item.epoch, first + begin, first + end, examples));
#ifndef EBB_ALGORITHMS_SCHEDULE_H_
#define EBB_ALGORITHMS_SCHEDULE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb {

// A batch's place in the data, in epochs: 2.25 is a quarter into the third.
// It is the middle of the batch's examples [begin, end), counted within the
// epoch (those of earlier shards included) of `examples`. The middle, so that
// no batch falls on the zero that a warm-up begins with or a cosine ends in.
double BatchPosition(int32_t epoch, int64_t begin, int64_t end,
                     int64_t examples);

enum class RateKind {
  kConstant,
  kStep,    // rate * factor^floor(position / step_epochs)
  kCosine,  // From rate to final_share * rate, by half a wave over the job.
  kTable,   // rate times factors that are given at positions.
};

// "constant", "step", "cosine", "table".
absl::string_view RateKindName(RateKind kind);
// InvalidArgument, listing the names, for an unknown one.
absl::StatusOr<RateKind> ParseRateKind(absl::string_view name);

// Most positions of a table.
inline constexpr size_t kMaxSchedulePoints = 4096;

// How the rate goes over the data. Each field says which kinds read it.
struct RateSchedule {
  RateKind kind = RateKind::kConstant;
  // step: epochs between two falls, above 0; need not be whole.
  double step_epochs = 5;
  // step: what the rate is multiplied by at a fall, in (0, 1].
  double factor = 0.1;
  // cosine: the share of the rate that is left at the end of the last epoch,
  // in [0, 1].
  double final_share = 0;
  // All: the first epochs, over which the rate is multiplied by what grows
  // linearly from 0 to 1 (Goyal et al. 2017, section 2.2). The schedule proper
  // runs from position 0 all the same. 0: no warm-up.
  double warm_up_epochs = 0;

  // table: positions in epochs, from 0, none before the one in front of it; and
  // what the rate is multiplied by there. In between it goes evenly, before and
  // after all of them it stays. At a position that is there twice it jumps.
  std::vector<double> at = {};
  std::vector<double> factors = {};

  // InvalidArgument naming the field, its value and what would be right.
  absl::Status Validate() const;

  friend bool operator==(const RateSchedule&, const RateSchedule&) = default;
};

// A rate and its schedule; valid by RateSchedule::Validate(). Thread-safe.
class LearningRate {
 public:
  // `epochs`, at least 1, is the length of the job.
  LearningRate(double rate, const RateSchedule& schedule, int64_t epochs)
      : rate_(rate),
        schedule_(std::make_shared<const RateSchedule>(schedule)),
        epochs_(epochs) {}

  // The rate at a BatchPosition(). Past the last epoch the cosine stays at its
  // end.
  double At(double position) const;

 private:
  double rate_;
  std::shared_ptr<const RateSchedule> schedule_;  // Copies share its table.
  int64_t epochs_;
};

// A batch size that may grow with the epochs, which serves like a falling
// rate and parallelises better (Smith et al. 2018).
struct BatchSchedule {
  // Examples per batch in epoch 0; at least 1.
  int64_t initial = 128;
  // Factor of the batch size every `every` epochs; at least 1, which is
  // constant and makes the rest of no effect. Sizes are rounded down.
  double factor = 1;
  int64_t every = 5;
  // The largest size; at least `initial`.
  int64_t max = 1024;

  // InvalidArgument naming the field, its value and what would be right.
  absl::Status Validate() const;
  // The size of every batch of an item in `epoch` (its last one may be less).
  // The same on every machine, as the grid of batches must be.
  int64_t At(int32_t epoch) const;

  friend bool operator==(const BatchSchedule&, const BatchSchedule&) = default;
};

}  // namespace ebb

#endif  // EBB_ALGORITHMS_SCHEDULE_H_
