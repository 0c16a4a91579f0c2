#include "server/rows/internal/row_versions.h"

#include <glog/logging.h>

namespace ebb::server::internal {

uint64_t RowVersions::Begin(std::shared_ptr<const RowVersion> version,
                            std::shared_ptr<RowPacking> packing) {
  pending_ = PendingCut{++last_token_, std::move(version), changes_};
  packing_ = std::move(packing);
  changes_.rows.Clear();
  changes_.counters.Clear();
  return last_token_;
}

void RowVersions::Written(uint64_t token) {
  if (!pending_ || pending_->token != token) return;
  for (const auto& part : pending_->version->parts) {
    CHECK_EQ(part->outline.checksums.size(), part->blocks.size())
        << "a cut was stored without its header: call Seal()";
  }
  stored_ = std::move(pending_->version);
  pending_.reset();
  EndPacking();
}

void RowVersions::MergeBack(uint64_t token) {
  if (!pending_ || pending_->token != token) return;
  changes_.rows.AddAll(pending_->changes.rows);
  changes_.counters.AddAll(pending_->changes.counters);
  pending_.reset();
  EndPacking();
}

void RowVersions::ForgetStored() {
  stored_.reset();
  pending_.reset();
  EndPacking();
}

void RowVersions::EndPacking() {
  if (packing_ == nullptr) return;
  // Another thread may still have the cut, and seal it.
  if (packing_.use_count() > 1) packing_->Finish();
  packing_.reset();
}

}  // namespace ebb::server::internal
