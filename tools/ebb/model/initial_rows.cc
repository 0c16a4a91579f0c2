#include "tools/ebb/model/initial_rows.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tools/ebb/model/tensor_text.h"
#include "tools/tensors/slot_tensors.h"
#include "worker/base/exported_model.h"

namespace ebb::tools {

namespace {

uint64_t KeyAt(absl::string_view keys, int64_t place) {
  uint64_t key;
  std::memcpy(&key, keys.data() + place * sizeof(key), sizeof(key));
  return key;
}

std::string RowSlotName(const std::string& optimizer, absl::string_view slot,
                        const std::string& table) {
  return absl::StrCat(kSlotsPrefix, optimizer, "/", slot, "/",
                      worker::RowsName(table));
}

}  // namespace

class InitialRows::Reader {
 public:
  Reader(const std::string& path, const Tables& tables, InitialTensors* tensors,
         std::vector<std::string>* mistakes)
      : path_(path),
        plan_(tables.plan),
        tensors_(*tensors),
        mistakes_(*mistakes) {}

  // Returns whether the table has rows.
  bool Read(const job::SparseTable& table,
            const server::JobRule::TableState& state, Table* out,
            int64_t* steps) {
    out->begins.assign(static_cast<size_t>(plan_.partitions) + 1, 0);
    const TensorView* const keys =
        TakeTensor(worker::KeysName(table.name), &tensors_);
    const TensorView* const rows =
        TakeTensor(worker::RowsName(table.name), &tensors_);
    if (keys == nullptr && rows == nullptr) return false;
    if (keys == nullptr || rows == nullptr) {
      Wrong("it has ", keys == nullptr ? rows->name : keys->name, " without ",
            keys == nullptr ? worker::KeysName(table.name)
                            : worker::RowsName(table.name));
      return false;
    }
    if (table.kind != RowKind::kTrained) {
      Wrong("rows of ", table.name,
            " are written, and not trained: a job begins without them. Leave ",
            keys->name, " and ", rows->name, " out");
      return false;
    }
    if (!KeysFit(*keys)) return false;
    const std::vector<int64_t> dims = {keys->dims[0], table.width};
    const std::string what = absl::StrCat("the rows of table ", table.name);
    if (!Fits(*rows, dims, what)) return false;
    out->keys = keys->data;
    out->rows = rows->data;
    ReadState(table, state, dims, out, steps);
    Order(table, *keys, out);
    return true;
  }

 private:
  template <typename... What>
  void Wrong(const What&... what) {
    mistakes_.push_back(absl::StrCat(path_, ": ", what...));
  }

  bool Fits(const TensorView& tensor, const std::vector<int64_t>& dims,
            absl::string_view what) {
    const std::string why = MisfitOf(tensor, dims, what);
    if (!why.empty()) Wrong(why);
    return why.empty();
  }

  bool KeysFit(const TensorView& keys) {
    const bool integers =
        keys.type == TensorType::kUint64 || keys.type == TensorType::kInt64;
    if (integers && keys.dims.size() == 1) return true;
    Wrong("tensor ", keys.name, " of the shape ", ShapeText(keys.dims),
          " must be one list of uint64 or int64");
    return false;
  }

  // All slots of the table, or none.
  void ReadState(const job::SparseTable& table,
                 const server::JobRule::TableState& state,
                 const std::vector<int64_t>& dims, Table* out, int64_t* steps) {
    std::vector<std::string> missing;
    for (const std::string& slot : state.slots) {
      const TensorView* found = nullptr;
      for (const std::string& kind : KindsLike(state.optimizer)) {
        found = TakeTensor(RowSlotName(kind, slot, table.name), &tensors_);
        if (found != nullptr) break;
      }
      if (found == nullptr) {
        missing.push_back(RowSlotName(state.optimizer, slot, table.name));
        continue;
      }
      if (Fits(*found, dims, absl::StrCat("the rows of table ", table.name))) {
        const std::string why = MisfitOfSlot(*found, slot);
        if (!why.empty()) Wrong(why);
      }
      out->slots.push_back(found->data);
    }
    const TensorView* counted = nullptr;
    for (const std::string& kind : KindsLike(state.optimizer)) {
      if (out->slots.empty()) break;
      counted =
          TakeTensor(SlotTensorName(kind, kStepSlot, table.name), &tensors_);
      if (counted != nullptr) break;
    }
    if (counted == nullptr && CountsSteps(state.optimizer)) {
      missing.push_back(SlotTensorName(state.optimizer, kStepSlot, table.name));
    }
    if (counted != nullptr) {
      const auto read = StepsIn(*counted);
      if (!read) {
        Wrong("tensor ", counted->name,
              " must be one whole number of steps, from 0 to 2^53");
      }
      *steps = read.value_or(0);
    }
    if (!out->slots.empty() && !missing.empty()) {
      Wrong("it has no tensor ", Listed(std::move(missing)),
            ", which is state that the optimizer of table ", table.name,
            " keeps");
    }
  }

  void Order(const job::SparseTable& table, const TensorView& keys,
             Table* out) {
    const int64_t rows = keys.dims[0];
    std::vector<int64_t> by_key(static_cast<size_t>(rows));
    std::iota(by_key.begin(), by_key.end(), int64_t{0});
    const auto key = [&](int64_t place) { return KeyAt(keys.data, place); };
    if (!std::ranges::is_sorted(by_key, {}, key)) {
      std::ranges::sort(by_key, {}, key);
    }
    const auto twice = std::ranges::adjacent_find(by_key, {}, key);
    if (twice != by_key.end()) {
      Wrong("tensor ", keys.name, " has key ", key(*twice), " twice");
      return;
    }
    std::vector<int64_t>& begins = out->begins;
    const auto partition = [&](int64_t place) {
      return static_cast<size_t>(plan_.PartitionOfKey(key(place)).value());
    };
    for (const int64_t place : by_key) ++begins[partition(place) + 1];
    for (size_t p = 0; p + 1 < begins.size(); ++p) {
      if (table.max_rows > 0 && begins[p + 1] > table.max_rows) {
        Wrong(rows, " rows of table ", table.name,
              " are more than its max_rows allows: ", begins[p + 1],
              " come to partition ", p, ", which may have ", table.max_rows);
        return;
      }
      begins[p + 1] += begins[p];
    }
    out->order.resize(by_key.size());
    std::vector<int64_t> next(begins.begin(), begins.end() - 1);
    for (const int64_t place : by_key) {
      out->order[static_cast<size_t>(next[partition(place)]++)] = place;
    }
  }

  const std::string& path_;
  const JobPlan& plan_;
  InitialTensors& tensors_;
  std::vector<std::string>& mistakes_;
};

std::unique_ptr<const InitialRows> InitialRows::Take(
    const std::string& path, const Tables& tables, InitialTensors* tensors,
    std::vector<std::string>* mistakes) {
  std::unique_ptr<InitialRows> rows(new InitialRows);
  Reader reader(path, tables, tensors, mistakes);
  bool any = false;
  std::vector<int32_t> slots;
  for (size_t t = 0; t < tables.tables.size(); ++t) {
    Table& table = rows->tables_.emplace_back();
    int64_t& steps = rows->steps_.emplace_back(0);
    any |= reader.Read(tables.tables[t], tables.states[t], &table, &steps) &&
           !table.order.empty();
    rows->has_state_ |= !table.slots.empty();
    slots.push_back(static_cast<int32_t>(table.slots.size()));
  }
  if (!any || !mistakes->empty()) return nullptr;
  std::vector<int64_t> counts;
  for (size_t p = 0; p < static_cast<size_t>(tables.plan.partitions); ++p) {
    for (const Table& table : rows->tables_) {
      counts.push_back(table.begins[p + 1] - table.begins[p]);
    }
  }
  rows->directory_.emplace(tables.plan, std::move(slots), std::move(counts));
  for (int32_t p = 0; p <= tables.plan.partitions; ++p) {
    rows->partitions_.push_back(rows->directory_->BeginOf(PartitionId(p)));
  }
  return rows;
}

void InitialRows::Append(int64_t first, int64_t size, std::string* out) const {
  // Whole rows are put together, and the parts that are wanted appended.
  const auto append = [&](int64_t at, absl::string_view bytes) {
    const int64_t from = std::max(first, at);
    const int64_t end =
        std::min(first + size, at + static_cast<int64_t>(bytes.size()));
    if (from < end) absl::StrAppend(out, bytes.substr(from - at, end - from));
  };
  if (first < partitions_.front()) {
    const std::vector<int64_t> words = directory_->Encode();
    append(0, {reinterpret_cast<const char*>(words.data()),
               words.size() * sizeof(words[0])});
  }
  const auto after = std::ranges::upper_bound(partitions_, first);
  auto p = std::max<int64_t>(0, after - partitions_.begin() - 1);
  std::string row;
  for (; p + 1 < std::ssize(partitions_); ++p) {
    int64_t at = partitions_[p];
    if (at >= first + size) return;
    for (size_t t = 0; t < tables_.size(); ++t) {
      const InitialRowRun run = directory_->Of(
          PartitionId(static_cast<int32_t>(p)), static_cast<int32_t>(t));
      const int64_t before =
          std::clamp<int64_t>((first - at) / run.row_bytes(), 0, run.rows);
      for (int64_t i = before; i < run.rows; ++i) {
        const int64_t begin = at + i * run.row_bytes();
        if (begin >= first + size) return;
        row.clear();
        AppendRow(tables_[t], run, tables_[t].order[tables_[t].begins[p] + i],
                  &row);
        append(begin, row);
      }
      at += run.bytes();
    }
  }
}

void InitialRows::AppendRow(const Table& table, const InitialRowRun& run,
                            int64_t place, std::string* out) const {
  const auto add = [out, place](absl::string_view data, int64_t bytes) {
    absl::StrAppend(out, data.substr(place * bytes, bytes));
  };
  add(table.keys, sizeof(uint64_t));
  const int64_t bytes = run.width * static_cast<int64_t>(sizeof(float));
  add(table.rows, bytes);
  for (const absl::string_view slot : table.slots) add(slot, bytes);
}

}  // namespace ebb::tools
