// The rows of sparse tables as people read them out of a stored version:
// arrays by name.
//
// Table NAME has the arrays "rows/NAME/keys" (uint64, ascending) and
// "rows/NAME/values" (float32, the weights of key after key). It has
// "rows/NAME/slot/SLOT" (likewise) for each slot of its optimizer. Expired rows
// are left out.
#ifndef EBB_SERVER_VERSION_ROWS_H_
#define EBB_SERVER_VERSION_ROWS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "protocol/plan.h"
#include "server/cut.h"
#include "server/memory/block_pool.h"
#include "server/update_rule.h"

namespace ebb::server {

// Receives arrays: each is begun, and then comes in pieces.
class ArraySink {
 public:
  virtual ~ArraySink() = default;
  // Elements are uint64, or else float32.
  virtual absl::Status Begin(const std::string& name, bool integers,
                             int64_t elements) = 0;
  // Whole elements of the array begun last, little-endian.
  virtual absl::Status Add(absl::string_view bytes) = 0;
};

// Takes the rows out of a loaded cut, and gives those arrays that are `wanted`
// to the sink, table after table, a table's keys first. Memory: that of the cut
// and some 30 bytes for each row. DataLoss: they are not what the job has;
// ResourceExhausted; what the sink says.
absl::Status ReadRows(const JobPlan& plan, const UpdateRule& rule,
                      const std::shared_ptr<BlockPool>& pool, Cut* cut,
                      absl::FunctionRef<bool(absl::string_view)> wanted,
                      ArraySink* sink);

}  // namespace ebb::server

#endif  // EBB_SERVER_VERSION_ROWS_H_
