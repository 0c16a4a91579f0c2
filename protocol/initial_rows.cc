#include "protocol/initial_rows.h"

#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ebb {

namespace {

constexpr int64_t kMostSlots = 8;

}  // namespace

InitialRowsDirectory::InitialRowsDirectory(const JobPlan& plan,
                                           std::vector<int32_t> slots,
                                           std::vector<int64_t> rows)
    : partitions_(plan.partitions),
      slots_(std::move(slots)),
      rows_(std::move(rows)) {
  for (const SparseTablePlan& table : plan.sparse_tables) {
    widths_.push_back(table.row_words());
  }
}

absl::StatusOr<InitialRowsDirectory> InitialRowsDirectory::Decode(
    const JobPlan& plan, std::span<const int64_t> words, int64_t bytes) {
  if (static_cast<int64_t>(words.size()) != Words(plan)) {
    return absl::DataLossError(absl::StrCat("initial rows: a directory of ",
                                            words.size(), " words instead of ",
                                            Words(plan)));
  }
  const size_t tables = plan.sparse_tables.size();
  std::vector<int32_t> slots;
  for (const int64_t word : words.first(tables)) {
    if (word < 0 || word > kMostSlots) {
      return absl::DataLossError(
          absl::StrCat("initial rows: the directory has ", word, " slots"));
    }
    slots.push_back(static_cast<int32_t>(word));
  }
  const std::span<const int64_t> counts = words.subspan(tables);
  InitialRowsDirectory directory(plan, std::move(slots),
                                 {counts.begin(), counts.end()});
  int64_t rest = bytes - DirectoryBytes(plan);
  for (size_t i = 0; i < counts.size(); ++i) {
    const int64_t row_bytes =
        directory
            .Of(PartitionId(static_cast<int32_t>(i / tables)),
                static_cast<int32_t>(i % tables))
            .row_bytes();
    if (counts[i] < 0 || rest < 0 || counts[i] > rest / row_bytes) {
      return absl::DataLossError(absl::StrCat(
          "initial rows: the directory has ", counts[i],
          " rows, and there are ", rest, " bytes left of ", bytes));
    }
    rest -= counts[i] * row_bytes;
  }
  if (rest != 0) {
    return absl::DataLossError(absl::StrCat("initial rows: ", rest, " of ",
                                            bytes, " bytes belong to no row"));
  }
  return directory;
}

std::vector<int64_t> InitialRowsDirectory::Encode() const {
  std::vector<int64_t> words(slots_.begin(), slots_.end());
  words.insert(words.end(), rows_.begin(), rows_.end());
  return words;
}

InitialRowRun InitialRowsDirectory::Of(PartitionId partition,
                                       int32_t table) const {
  const auto t = static_cast<size_t>(table);
  return {rows_[static_cast<size_t>(partition.value()) * widths_.size() + t],
          widths_[t], slots_[t]};
}

int64_t InitialRowsDirectory::BeginOf(PartitionId partition) const {
  auto at =
      static_cast<int64_t>((slots_.size() + rows_.size()) * sizeof(int64_t));
  for (int32_t p = 0; p < partition.value(); ++p) {
    for (size_t t = 0; t < widths_.size(); ++t) {
      at += Of(PartitionId(p), static_cast<int32_t>(t)).bytes();
    }
  }
  return at;
}

int64_t InitialRowsDirectory::bytes() const {
  return BeginOf(PartitionId(static_cast<int32_t>(partitions_)));
}

}  // namespace ebb
