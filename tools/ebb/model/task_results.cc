#include "tools/ebb/model/task_results.h"

#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb::tools {

absl::Status ForEachTask(const RowRuns& rows, TaskJoiner::OnResult on_result) {
  TaskJoiner joiner(std::move(on_result));
  EBB_RETURN_IF_ERROR(
      rows.Merge([&](uint64_t key, std::span<const float> words) {
        // A WriteOnce row has 1 more than the number of bytes, then these.
        const auto bytes = std::as_bytes(words);
        uint32_t more = 0;
        std::memcpy(&more, bytes.data(), sizeof(more));
        const size_t room = bytes.size() - sizeof(more);
        if (more == 0 || more - 1 > room) {
          return absl::DataLossError(
              absl::StrCat("the row under key ", key, " has no length"));
        }
        return joiner.Add(key, bytes.subspan(sizeof(more), more - 1));
      }));
  return std::move(joiner).Finish();
}

}  // namespace ebb::tools
