#include "workloads/words/tools/word_export.h"

#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "common/initializer.h"
#include "common/status_macros.h"
#include "workloads/words/model/word_entries.h"

namespace ebb::tools {

namespace {

int64_t WordsIn(const StoredModel& stored) {
  return static_cast<int64_t>(stored.index.encoding.vocabulary.words.size());
}

// Calls `visit` with the row of each word, whose keys begin with `first`.
absl::Status ForEachWord(
    const StoredModel& stored, uint64_t first,
    absl::FunctionRef<void(std::span<const float> row)> visit) {
  const job::SparseTable& table = stored.sparse_tables.front();
  const RowInitializer initial(table.init, stored.job.seed(), table.name);
  const uint64_t end = first + static_cast<uint64_t>(WordsIn(stored));
  std::vector<float> row(table.width);
  uint64_t next = first;
  const auto fill_up_to = [&](uint64_t key) {
    for (; next < key; ++next) {
      initial.Fill(next, row);
      visit(row);
    }
  };
  EBB_RETURN_IF_ERROR(stored.runs.front().Merge(
      [&](uint64_t key, std::span<const float> floats) {
        if (key < first || key >= end) return absl::OkStatus();
        fill_up_to(key);
        visit(floats.first(row.size()));
        ++next;
        return absl::OkStatus();
      }));
  fill_up_to(end);
  return absl::OkStatus();
}

}  // namespace

std::vector<TensorStream> WordTensors(const StoredModel& stored) {
  const std::vector<int64_t> dims = {WordsIn(stored),
                                     stored.sparse_tables.front().width};
  const auto rows_from = [&](std::string name, uint64_t first) {
    return TensorStream{
        std::move(name), TensorType::kFloat32, dims,
        [&stored, first](std::ostream& out) {
          return ForEachWord(stored, first, [&](std::span<const float> row) {
            out.write(reinterpret_cast<const char*>(row.data()),
                      static_cast<std::streamsize>(row.size_bytes()));
          });
        }};
  };
  return {rows_from("words", workloads::WordKey(0)),
          rows_from("contexts", workloads::ContextKey(0))};
}

absl::StatusOr<std::vector<float>> WordVectorsOf(const StoredModel& stored) {
  std::vector<float> vectors;
  if (!stored.runs.empty()) {
    EBB_RETURN_IF_ERROR(ForEachWord(
        stored, workloads::WordKey(0), [&](std::span<const float> row) {
          vectors.insert(vectors.end(), row.begin(), row.end());
        }));
    return vectors;
  }
  const auto size =
      static_cast<size_t>(WordsIn(stored) * stored.job.model().dim());
  if (stored.parameters.size() != 2 * size) {
    return absl::DataLossError(absl::StrCat("it has ", stored.parameters.size(),
                                            " values instead of two for each "
                                            "of ",
                                            WordsIn(stored), " words and ",
                                            stored.job.model().dim(),
                                            " dimensions"));
  }
  vectors.assign(stored.parameters.begin(),
                 stored.parameters.begin() + static_cast<int64_t>(size));
  return vectors;
}

}  // namespace ebb::tools
