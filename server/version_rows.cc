#include "server/version_rows.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/row_arrays.h"
#include "server/rows/row_list.h"
#include "server/rows/row_table.h"

namespace ebb::server {

namespace {

// Floats that are gathered at once.
constexpr size_t kTogether = size_t{1} << 18;

template <typename T>
absl::string_view BytesOf(std::span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

// Writes what `read` says of each row.
absl::Status AddFloats(const std::string& name, size_t rows, size_t width,
                       absl::FunctionRef<std::span<const float>(size_t)> read,
                       ArraySink* sink) {
  EBB_RETURN_IF_ERROR(
      sink->Begin(name, false, static_cast<int64_t>(rows * width)));
  const size_t most = std::max<size_t>(1, kTogether / width);
  std::vector<float> floats;
  for (size_t row = 0; row < rows;) {
    floats.clear();
    for (const size_t end = std::min(rows, row + most); row < end; ++row) {
      const std::span<const float> one = read(row);
      floats.insert(floats.end(), one.begin(), one.end());
    }
    EBB_RETURN_IF_ERROR(sink->Add(BytesOf(std::span<const float>(floats))));
  }
  return absl::OkStatus();
}

absl::Status ReadTable(RowTable* table, const Optimizer& optimizer,
                       absl::FunctionRef<bool(absl::string_view)> wanted,
                       ArraySink* sink) {
  const std::string prefix = absl::StrCat("rows/", table->options().table, "/");
  const size_t width = table->layout().width();
  EBB_ASSIGN_OR_RETURN(const RowList rows, RowList::Of(table));
  if (const std::string name = absl::StrCat(prefix, "keys"); wanted(name)) {
    std::vector<uint64_t> keys(rows.size());
    for (size_t i = 0; i < keys.size(); ++i) keys[i] = rows.key(i);
    EBB_RETURN_IF_ERROR(
        sink->Begin(name, true, static_cast<int64_t>(keys.size())));
    EBB_RETURN_IF_ERROR(sink->Add(BytesOf(std::span<const uint64_t>(keys))));
  }
  if (const std::string name = absl::StrCat(prefix, "values"); wanted(name)) {
    EBB_RETURN_IF_ERROR(AddFloats(
        name, rows.size(), width, [&](size_t row) { return rows.weights(row); },
        sink));
  }
  int number = 0;
  for (const absl::string_view slot : optimizer.SlotNames()) {
    const std::string name = absl::StrCat(prefix, "slot/", slot);
    const int of_slot = number++;
    if (!wanted(name)) continue;
    EBB_RETURN_IF_ERROR(AddFloats(
        name, rows.size(), width,
        [&](size_t row) { return rows.slot(of_slot, row); }, sink));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadRows(const JobPlan& plan, const UpdateRule& rule,
                      const std::shared_ptr<BlockPool>& pool, Cut* cut,
                      absl::FunctionRef<bool(absl::string_view)> wanted,
                      ArraySink* sink) {
  EBB_ASSIGN_OR_RETURN(std::vector<RowCut> cuts,
                       TakeRows(plan.sparse_tables.size(), cut));
  for (size_t i = 0; i < cuts.size(); ++i) {
    const auto t = static_cast<int32_t>(i);
    const auto optimizer = rule.RowOptimizer(t);
    EBB_ASSIGN_OR_RETURN(const auto table,
                         RowTable::FromCut(rule.RowOptions(t), optimizer, pool,
                                           std::move(cuts[i]), false));
    EBB_RETURN_IF_ERROR(ReadTable(table.get(), *optimizer, wanted, sink));
  }
  return absl::OkStatus();
}

}  // namespace ebb::server
