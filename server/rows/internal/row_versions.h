// The stored content of a table's rows, and the changes since.
#ifndef EBB_SERVER_ROWS_INTERNAL_ROW_VERSIONS_H_
#define EBB_SERVER_ROWS_INTERNAL_ROW_VERSIONS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "server/rows/internal/row_cut_format.h"
#include "server/rows/internal/row_packing.h"
#include "server/rows/row_set.h"

namespace ebb::server::internal {

// Rows and counters of admission that changed since a version.
struct RowChanges {
  RowSet rows;
  RowSet counters;
};

// Knows the newest stored version, the cut that is being written, and what
// changed since the newest part that is stored or being written.
//
// Thread-compatible: the thread that seals the cut meets it only in RowPacking,
// which has a lock of its own.
class RowVersions {
 public:
  explicit RowVersions(int64_t counters) { changes_.counters.Resize(counters); }
  ~RowVersions() { EndPacking(); }
  RowVersions(const RowVersions&) = delete;
  RowVersions& operator=(const RowVersions&) = delete;

  // --- Changes ---------------------------------------------------------------

  // The sealing of the pending cut reads no rows meanwhile: rows, and where
  // they are, change under it.
  [[nodiscard]] RowPacking::Hold HoldPacking() {
    return RowPacking::Hold(packing_.get());
  }
  void Grow(int64_t capacity) { changes_.rows.Resize(capacity); }
  void Reserve(int64_t capacity) { changes_.rows.Reserve(capacity); }
  // Before a row is written, or goes.
  void BeforeChange(uint32_t row) {
    if (packing_ != nullptr && !packing_->finished()) packing_->Save(row);
    changes_.rows.Add(row);
  }
  RowSet* changed_counters() { return &changes_.counters; }
  const RowChanges& changes() const { return changes_; }
  size_t bytes() const {
    return changes_.rows.bytes() + changes_.counters.bytes();
  }

  // --- Versions --------------------------------------------------------------

  // Null: nothing may be relied on.
  const std::shared_ptr<const RowVersion>& stored() const { return stored_; }
  // The rows were loaded from that version.
  void SetStored(std::shared_ptr<const RowVersion> version) {
    stored_ = std::move(version);
  }
  bool pending() const { return pending_.has_value(); }

  // A cut of all changes is being written, with `version` as what is then
  // stored; `packing` may be null. Returns its token.
  uint64_t Begin(std::shared_ptr<const RowVersion> version,
                 std::shared_ptr<RowPacking> packing);
  // The end of that cut: RowTable::Written and so on.
  void Written(uint64_t token);
  void MergeBack(uint64_t token);
  void ForgetStored();

 private:
  struct PendingCut {
    uint64_t token = 0;
    std::shared_ptr<const RowVersion> version;
    RowChanges changes;  // Since the newest stored version.
  };

  // The sealing of the newest cut needs the table no more.
  void EndPacking();

  RowChanges changes_;
  std::shared_ptr<const RowVersion> stored_;
  std::optional<PendingCut> pending_;
  // Packs the pending cut, if it has rows to pack.
  std::shared_ptr<RowPacking> packing_;
  uint64_t last_token_ = 0;
};

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_ROW_VERSIONS_H_
