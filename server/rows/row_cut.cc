#include "server/rows/row_cut.h"

#include <glog/logging.h>

#include <utility>

#include "server/rows/internal/row_cut_format.h"
#include "server/rows/internal/row_packing.h"

namespace ebb::server {

void RowCut::Seal() {
  CHECK(state != nullptr) << "a loaded cut is sealed";
  if (state->packing != nullptr) std::exchange(state->packing, {})->Finish();
  size_t next = 0;
  internal::RowCutFields fields = state->fields;
  for (const auto& part : state->parts) {
    std::vector<uint64_t>& checksums = part->outline.checksums;
    // The checksums of a part that is stored are known.
    const bool known = !checksums.empty();
    for (size_t i = 0; i < part->blocks.size(); ++i, ++next) {
      if (known) continue;
      const RowCutBlock& block = blocks[next];
      checksums.push_back(internal::RowBlockChecksum(
          block.block.bytes().first(static_cast<size_t>(block.bytes))));
    }
    fields.parts.push_back(part->outline);
  }
  header = internal::EncodeRowCutHeader(fields);
}

int64_t RowCut::Bytes() const {
  int64_t bytes = 0;
  for (const RowCutBlock& block : blocks) bytes += block.bytes;
  return bytes;
}

int64_t RowCut::NewBytes() const {
  int64_t bytes = 0;
  for (const RowCutBlock& block : blocks) {
    if (block.block) bytes += block.bytes;
  }
  return bytes;
}

}  // namespace ebb::server
