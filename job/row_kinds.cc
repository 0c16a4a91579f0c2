#include "job/row_kinds.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "protocol/plan.h"

namespace ebb::job {

absl::Status CheckRowWidth(const v1::Model& model, absl::string_view table,
                           int64_t width) {
  if (width >= 1 && width <= kMaxRowWidth) return absl::OkStatus();
  const bool rank = model.has_rank();
  const int64_t given = rank ? model.rank() : model.dim();
  const std::string what =
      absl::StrCat("rows of table ", table, " would have ", width,
                   " numbers, 1 to ", kMaxRowWidth, " possible");
  if (given < 1 || width < given) {
    return absl::InvalidArgumentError(absl::StrCat("model: ", what));
  }
  const absl::string_view key = rank ? "rank" : "dim";
  // In ffm a row has as many numbers for each field.
  const int64_t most = kMaxRowWidth / (width / given);
  return absl::InvalidArgumentError(absl::StrCat(
      "model.", key, ": ", what, "\nhint: ",
      most < 1 ? "data with fewer fields" : absl::StrCat(key, ": ", most)));
}

absl::Status CheckRowKind(const v1::Table& said, RowKind kind) {
  if (kind == RowKind::kTrained) return absl::OkStatus();
  const auto refuse = [](absl::string_view key, absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat(key, ": ", why, "\nhint: leave it out"));
  };
  if (said.has_optimizer()) {
    return refuse("optimizer",
                  "the model's examples write the table, and nothing of it is "
                  "trained");
  }
  if (said.has_init()) return refuse("init", "such rows start at zero");
  if (said.has_admit()) {
    return refuse("admit", "what was written before would be missing for good");
  }
  if (said.has_consistency()) {
    return refuse("consistency", "training reads nothing of the table");
  }
  if (said.has_cache()) {
    return refuse("cache", "workers pull no rows of the table");
  }
  if (kind != RowKind::kWriteOnce) return absl::OkStatus();
  constexpr absl::string_view kStays = "what is written once stays";
  if (said.has_expire_after()) return refuse("expire_after", kStays);
  if (said.at_limit() == v1::Table::AT_LIMIT_EVICT) {
    return refuse("at_limit", kStays);
  }
  return absl::OkStatus();
}

}  // namespace ebb::job
