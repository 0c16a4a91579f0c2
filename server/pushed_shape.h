// The shape of what is pushed to a partition, of sums of it, and of slots: as
// that of the values, but without frozen tables (protocol/trained_ranges.h).
#ifndef EBB_SERVER_PUSHED_SHAPE_H_
#define EBB_SERVER_PUSHED_SHAPE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "protocol/plan.h"
#include "protocol/trained_ranges.h"
#include "server/cut.h"
#include "server/dense_shape.h"
#include "server/memory/block_pool.h"

namespace ebb::server {

// Immutable, so thread-safe.
class PushedShape {
 public:
  // A trained run that lies in one block of the values, and in one of what is
  // pushed.
  struct Piece {
    int64_t first = 0;  // In the flat vector of the job.
    int64_t block = 0;  // A block of the values, ...
    size_t within = 0;  // ... and the place in the block.
    int64_t pushed_block = 0;
    size_t pushed_within = 0;
    size_t size = 0;

    // Its part of the block of the values, or of what is pushed.
    template <typename T>
    std::span<T> OfValues(std::span<T> of_block) const {
      return of_block.subspan(within, size);
    }
    template <typename T>
    std::span<T> OfPushed(std::span<T> of_block) const {
      return of_block.subspan(pushed_within, size);
    }
  };
  // A frozen run within one block of the values, which has trained ones, too.
  struct Kept {
    int64_t block = 0;
    size_t within = 0;
    size_t size = 0;
  };

  // `trained`: null if no table is frozen.
  PushedShape(const JobPlan& plan, PartitionId id, const TrainedRanges* trained,
              std::shared_ptr<BlockPool> pool);

  const DenseShape& shape() const { return shape_; }
  // Ascending, and together all of what is pushed.
  const std::vector<Piece>& pieces() const { return pieces_; }
  const std::vector<Kept>& kept() const { return kept_; }
  // The blocks of the values that have a trained run, ascending. Steps leave
  // the others as they are.
  const std::vector<int64_t>& stepped() const { return stepped_; }

 private:
  const DenseShape shape_;
  std::vector<Piece> pieces_;
  std::vector<Kept> kept_;
  std::vector<int64_t> stepped_;
};

// Returns whether the array of a cut with this name has the pushed shape.
bool IsPushedArray(absl::string_view name);

// The floats of such an array at their places among the values of the
// partition, with 0 for what is frozen.
std::vector<float> AtPlacesOfValues(const JobPlan& plan, PartitionId id,
                                    const TrainedRanges& trained,
                                    const CutArray& array);

}  // namespace ebb::server

#endif  // EBB_SERVER_PUSHED_SHAPE_H_
