// The content of a table's next version.
#ifndef EBB_SERVER_ROWS_INTERNAL_ROW_RENEWAL_H_
#define EBB_SERVER_ROWS_INTERNAL_ROW_RENEWAL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "server/rows/internal/row_base.h"
#include "server/rows/internal/row_cut_format.h"
#include "server/rows/internal/row_store.h"
#include "server/rows/internal/row_versions.h"

namespace ebb::server::internal {

// A version that is to be cut.
struct NextVersion {
  // The older parts that it has, and where the hand is after it.
  std::shared_ptr<RowVersion> version;
  // The new part, without checksums.
  RowCutOutline outline;
  // There is nothing new: the version is the stored one.
  bool same = false;
};

// Decides how far the base is written anew (RenewalHand), so that a version is
// at most half again as large as its rows, and what remains of older parts:
// docs/internals/sparse-tables.md.
//
// Lives for one cut, while the rows do not change.
class RowRenewal {
 public:
  // Borrows all three.
  RowRenewal(const RowStore& rows, const RowVersions& versions,
             const RowBase& base)
      : rows_(rows),
        versions_(versions),
        base_(base),
        block_bytes_(base.block_bytes()) {}

  // All rows are in one part.
  NextVersion Whole() const;
  // Goes on from the stored version, if possible.
  NextVersion Next();

 private:
  // The effect of the hand on the stored version as it passes a place next.
  struct Passed {
    int64_t freed = 0;  // Without what it writes there.
    int64_t rows = 0;   // Changed rows that lie there.
  };
  // The places in a part's blocks where its sections begin, and how many
  // changes have only rows.
  struct Extents {
    size_t changes = 0;
    size_t full_changes = 0;
    size_t counters = 0;
  };

  RowCutOutline Changes() const;
  // In the order in which the hand passes all of them.
  std::vector<Passed> PassedNext() const;
  double Pace(int64_t changed, int64_t all) const;
  int64_t NextPlace() const;
  void Renew(int64_t bytes, RowCutOutline* outline);
  Extents ExtentsOf(const RowCutPart& part) const;
  // Returns the part of an older one that is still needed; null: nothing.
  std::shared_ptr<RowCutPart> RestOf(
      const std::shared_ptr<RowCutPart>& part) const;

  const RowStore& rows_;
  const RowVersions& versions_;
  const RowBase& base_;
  const int64_t block_bytes_;
  std::shared_ptr<RowVersion> version_;
};

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_ROW_RENEWAL_H_
