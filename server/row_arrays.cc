#include "server/row_arrays.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "protocol/codec.h"

namespace ebb::server {

namespace {

constexpr absl::string_view kPrefix = "rows:";

std::string ArrayName(size_t table, size_t number) {
  return absl::StrCat(kPrefix, table, ":", number);
}

int64_t FloatsOf(const RowCutBlock& block) {
  return block.bytes / static_cast<int64_t>(sizeof(float));
}

// Returns whether another block can follow those that the array has: all but
// the last have the same size.
bool CanFollow(const CutArray& array, int64_t floats) {
  const auto blocks = static_cast<int64_t>(array.blocks.size());
  return array.floats == blocks * array.block_floats &&
         floats <= array.block_floats;
}

void Append(const RowCutBlock& block, CutArray* array) {
  if (array->blocks.empty()) array->block_floats = FloatsOf(block);
  array->floats += FloatsOf(block);
  array->blocks.push_back(block.block);
  array->stored_ids.push_back(block.block ? 0 : block.content_id);
}

absl::StatusOr<std::vector<std::string>> DecodeHeaders(
    size_t tables, absl::string_view bytes) {
  ByteReader in(bytes);
  std::vector<std::string> headers;
  for (size_t t = 0; t < tables; ++t) {
    int64_t size = 0;
    absl::string_view header;
    if (!in.GetBounded(bytes.size(), &size) || !in.GetBytes(size, &header)) {
      break;
    }
    headers.emplace_back(header);
  }
  if (headers.size() != tables || !in.done()) {
    return absl::DataLossError(absl::StrCat(
        "what the cut says of its rows is not of ", tables, " sparse tables"));
  }
  return headers;
}

}  // namespace

bool IsRowArray(absl::string_view name) {
  return absl::StartsWith(name, kPrefix);
}

void AddRows(RowCut rows, Cut* cut) {
  const size_t table = cut->row_cuts.size();
  size_t number = 0;
  CutArray* array = nullptr;
  for (const RowCutBlock& block : rows.blocks) {
    if (array == nullptr || !CanFollow(*array, FloatsOf(block))) {
      array = &cut->arrays[ArrayName(table, number++)];
    }
    Append(block, array);
  }
  cut->row_cuts.push_back(std::move(rows));
}

void SealRows(Cut* cut) {
  if (cut->row_cuts.empty()) return;
  cut->rows.clear();
  for (RowCut& rows : cut->row_cuts) {
    rows.Seal();
    PutVarint(rows.header.size(), &cut->rows);
    cut->rows.append(rows.header);
  }
  cut->row_cuts.clear();
}

absl::StatusOr<std::vector<RowCut>> TakeRows(size_t tables, Cut* cut) {
  auto headers = DecodeHeaders(tables, cut->rows);
  if (!headers.ok()) return headers.status();
  std::vector<RowCut> all(tables);
  for (size_t t = 0; t < tables; ++t) {
    all[t].header = std::move((*headers)[t]);
    for (size_t number = 0;; ++number) {
      const auto array = cut->arrays.find(ArrayName(t, number));
      if (array == cut->arrays.end()) break;
      for (size_t i = 0; i < array->second.blocks.size(); ++i) {
        const int64_t floats = array->second.UsedCount(i);
        RowCutBlock& block = all[t].blocks.emplace_back();
        block.content_id = array->second.content_id(i);
        block.bytes = floats * static_cast<int64_t>(sizeof(float));
        block.block = std::move(array->second.blocks[i]);
      }
      cut->arrays.erase(array);
    }
  }
  return all;
}

}  // namespace ebb::server
