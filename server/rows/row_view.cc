#include "server/rows/row_view.h"

#include <glog/logging.h>

#include "server/rows/internal/row_reader.h"

namespace ebb::server {

void RowView::Gather(std::span<const uint64_t> keys,
                     std::span<float> out) const {
  CHECK_EQ(out.size(), keys.size() * layout_.width());
  const internal::RowReader reader = {layout_, index_->index, block_bytes_};
  reader.Gather(ages_, ages_.now(), initial_, keys, out);
}

}  // namespace ebb::server
