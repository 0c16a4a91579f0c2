// Numbers beside the keys of examples
// (docs/decisions/0038-dense-beside-keys.md).
#ifndef EBB_DATA_DENSE_BESIDE_H_
#define EBB_DATA_DENSE_BESIDE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/keys.h"

namespace ebb::data {

struct ExampleBatch;

// No example has more numbers beside its keys.
inline constexpr int64_t kMostDenseBeside = int64_t{1} << 20;

// Finds what Reader::ColumnOrder() of records says in Index::meaning:
// "dense:3/1,5/4", the fields of numbers beside keys with their widths. Empty:
// there are none.
std::string DenseShapeIn(absl::string_view meaning);

// Data sets hold numbers beside keys as entries: each is the value of a key in
// the field of its feature. This takes them out of a batch, for models that
// take them as they are. Immutable.
class DenseBeside {
 public:
  // Makes that of the source with this Index::meaning and so many fields;
  // without numbers width() is 0. InvalidArgument: a feature of numbers shares
  // its field.
  static absl::StatusOr<DenseBeside> Of(absl::string_view meaning,
                                        int64_t fields);

  // Numbers of each example.
  int64_t width() const { return width_; }
  // The fields that are left to keys.
  int64_t fields() const { return fields_; }
  // Returns whether the field's entries are numbers.
  bool IsDense(Field field) const { return targets_[field].width > 0; }
  // The place of its first number in `beside`, or the new number of a field
  // with keys.
  int64_t PlaceOf(Field field) const {
    const Target& target = targets_[field];
    return target.width > 0 ? target.offset : int64_t{target.field};
  }

  // Moves the numbers of a keyed batch from its entries to `beside`. The other
  // fields are numbered anew, in their order. DataLoss: an example has other
  // numbers than it should.
  absl::Status Split(ExampleBatch* batch) const;

 private:
  struct Target {
    Field field = 0;     // The new number, if it has keys.
    int64_t offset = 0;  // The place of its first number.
    int64_t width = 0;   // 0: it has keys.
  };

  std::vector<Target> targets_;  // By field.
  int64_t width_ = 0;
  int64_t fields_ = 0;
};

}  // namespace ebb::data

#endif  // EBB_DATA_DENSE_BESIDE_H_
