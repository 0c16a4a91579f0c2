#include "workloads/gradients/tools/model_tensors.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/row_kind.h"
#include "ebb/v1/job.pb.h"
#include "job/specification.h"
#include "tools/ebb/model/row_runs.h"
#include "tools/ebb/model/row_tensors.h"
#include "tools/tensors/slot_tensors.h"
#include "tools/tensors/tensor_files.h"
#include "worker/base/exported_model.h"

namespace ebb::tools {

namespace {

using worker::KeysName;
using worker::LengthsName;
using worker::RowsName;

std::string NameOf(const v1::Optimizer& optimizer) {
  return absl::AsciiStrToLower(
      absl::StripPrefix(v1::Optimizer::Kind_Name(optimizer.kind()), "KIND_"));
}

template <typename T>
void WriteAll(std::ostream& out, std::span<const T> values) {
  out.write(reinterpret_cast<const char*>(values.data()),
            static_cast<std::streamsize>(values.size_bytes()));
}

// Tensor by tensor, as the flat vector has them, under the names that `name`
// makes of the numbers of tables; without those that it gives none.
void AddTensors(const models::ModelDescription& description,
                std::span<const float> values,
                absl::FunctionRef<std::string(size_t)> name,
                std::vector<TensorStream>* tensors) {
  for (size_t t = 0; t < description.tables.size(); ++t) {
    const models::TableShape& table = description.tables[t];
    const auto part = values.first(table.size());
    values = values.subspan(table.size());
    std::string named = name(t);
    if (named.empty()) continue;
    tensors->push_back({std::move(named), TensorType::kFloat32, table.dims,
                        [part](std::ostream& out) {
                          WriteAll(out, part);
                          return absl::OkStatus();
                        }});
  }
}

// The steps that made the slots of a table.
TensorStream StepsTensor(const std::string& optimizer, const std::string& table,
                         int64_t steps) {
  return {SlotTensorName(optimizer, kStepSlot, table),
          TensorType::kInt64,
          {1},
          [steps](std::ostream& out) {
            WriteAll(out, std::span<const int64_t>(&steps, 1));
            return absl::OkStatus();
          }};
}

// For each table that has slots.
void AddSteps(const StoredModel& stored,
              absl::FunctionRef<std::string(size_t)> table_name,
              std::vector<TensorStream>* tensors) {
  for (size_t t = 0; t < stored.steps.size(); ++t) {
    if (stored.slot_names[t].empty()) continue;
    const std::string& slot = stored.slot_names[t].front();
    const std::string optimizer = slot.substr(0, slot.find('/'));
    tensors->push_back(StepsTensor(optimizer, table_name(t), stored.steps[t]));
  }
  for (size_t t = 0; t < stored.run_steps.size(); ++t) {
    const job::SparseTable& table = stored.sparse_tables[t];
    if (t >= stored.runs.size() || stored.run_slots[t].empty()) continue;
    tensors->push_back(
        StepsTensor(NameOf(table.optimizer.value_or(stored.job.optimizer())),
                    table.name, stored.run_steps[t]));
  }
}

// Calls `write` with the words of row after row.
TensorStream WordsOf(
    std::string name, TensorType type, std::vector<int64_t> dims,
    const RowRuns& runs,
    std::function<void(std::span<const std::byte>, std::ostream& out)> write) {
  return {std::move(name), type, std::move(dims),
          [&runs, write = std::move(write)](std::ostream& out) {
            return runs.Merge([&](uint64_t, std::span<const float> words) {
              write(std::as_bytes(words), out);
              return absl::OkStatus();
            });
          }};
}

// Adds rows of a table that is not trained: numbers; for bytes also their
// lengths.
void AddWrittenRows(const job::SparseTable& table, const RowRuns& runs,
                    std::vector<TensorStream>* tensors) {
  const auto all = [](std::span<const std::byte> words, std::ostream& out) {
    WriteAll(out, words);
  };
  const std::vector<int64_t> dims = {runs.rows(), table.width};
  if (table.kind != RowKind::kWriteOnce) {
    tensors->push_back(WordsOf(RowsName(table.name),
                               table.kind == RowKind::kCounts
                                   ? TensorType::kInt64
                                   : TensorType::kFloat32,
                               dims, runs, all));
    return;
  }
  tensors->push_back(
      WordsOf(LengthsName(table.name), TensorType::kUint64, {runs.rows()}, runs,
              [](std::span<const std::byte> words, std::ostream& out) {
                uint32_t more = 0;
                std::memcpy(&more, words.data(), sizeof(more));
                const uint64_t length = more - 1;
                WriteAll(out, std::span<const uint64_t>(&length, 1));
              }));
  const auto width = static_cast<size_t>(table.width);
  tensors->push_back(
      WordsOf(RowsName(table.name), TensorType::kUint8, dims, runs,
              [width](std::span<const std::byte> words, std::ostream& out) {
                WriteAll(out, words.subspan(sizeof(uint32_t), width));
              }));
}

// True if a name of StoredModel::slot_names is that of averages of weights.
bool IsAverage(absl::string_view name) {
  return absl::ConsumeSuffix(&name, kAverageSlot) && absl::EndsWith(name, "/");
}

}  // namespace

void AddModelTensors(const StoredModel& stored,
                     const models::ModelDescription& description,
                     absl::FunctionRef<void(ModelExport*)> own,
                     ModelExport* all) {
  // Keys first: what is read in words of 8 bytes lies at multiples of them.
  std::vector<TensorStream> written;
  for (size_t t = 0; t < stored.runs.size(); ++t) {
    const job::SparseTable& table = stored.sparse_tables[t];
    all->tensors.push_back(KeyTensor(KeysName(table.name), stored.runs[t]));
    if (table.kind != RowKind::kTrained) {
      AddWrittenRows(table, stored.runs[t], &written);
    }
  }
  // Then what else has words of 8 bytes; what has single bytes comes last.
  const auto take = [&](bool wide) {
    for (TensorStream& tensor : written) {
      const bool is_wide = tensor.type == TensorType::kInt64 ||
                           tensor.type == TensorType::kUint64;
      if (tensor.write != nullptr && (is_wide || !wide)) {
        all->tensors.push_back(std::exchange(tensor, {}));
      }
    }
  };
  take(/*wide=*/true);
  const auto table_name = [&](size_t t) { return description.tables[t].name; };
  AddSteps(stored, table_name, &all->tensors);
  AddTensors(description, stored.parameters, table_name, &all->tensors);
  own(all);
  for (size_t t = 0; t < stored.runs.size(); ++t) {
    const job::SparseTable& table = stored.sparse_tables[t];
    if (table.kind != RowKind::kTrained) continue;
    all->tensors.push_back(
        RowTensor(RowsName(table.name), table.width, stored.runs[t], 0));
  }
  if (!stored.averages.empty()) {
    const auto average_name = [&](size_t t) {
      return stored.has_average[t]
                 ? absl::StrCat(kAveragesPrefix, table_name(t))
                 : std::string();
    };
    AddTensors(description, stored.averages, average_name, &all->tensors);
  }
  for (size_t slot = 0; slot < stored.slots.size(); ++slot) {
    const auto slot_name = [&](size_t t) {
      const std::vector<std::string>& names = stored.slot_names[t];
      return slot < names.size() && !IsAverage(names[slot])
                 ? absl::StrCat(kSlotsPrefix, names[slot], "/", table_name(t))
                 : std::string();
    };
    AddTensors(description, stored.slots[slot], slot_name, &all->tensors);
  }
  for (size_t t = 0; t < stored.runs.size(); ++t) {
    const job::SparseTable& table = stored.sparse_tables[t];
    const std::string optimizer =
        NameOf(table.optimizer.value_or(stored.job.optimizer()));
    size_t array = 0;
    for (const std::string& slot : stored.run_slots[t]) {
      all->tensors.push_back(
          RowTensor(absl::StrCat(kSlotsPrefix, optimizer, "/", slot, "/",
                                 RowsName(table.name)),
                    table.width, stored.runs[t], ++array));
    }
  }
  std::ranges::stable_sort(written, {}, &TensorStream::type);  // Floats first.
  take(/*wide=*/false);
}

}  // namespace ebb::tools
