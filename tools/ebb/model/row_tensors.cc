#include "tools/ebb/model/row_tensors.h"

#include <ios>
#include <ostream>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "common/tensor_view.h"

namespace ebb::tools {

namespace {

template <typename T>
void WriteBytes(std::ostream& out, std::span<const T> values) {
  out.write(reinterpret_cast<const char*>(values.data()),
            static_cast<std::streamsize>(values.size_bytes()));
}

}  // namespace

TensorStream KeyTensor(std::string name, const RowRuns& runs) {
  return {std::move(name),
          TensorType::kUint64,
          {runs.rows()},
          [&runs](std::ostream& out) {
            return runs.Merge([&](uint64_t key, std::span<const float>) {
              WriteBytes(out, std::span<const uint64_t>(&key, 1));
              return absl::OkStatus();
            });
          }};
}

TensorStream RowTensor(std::string name, int64_t width, const RowRuns& runs,
                       size_t array) {
  const auto floats = static_cast<size_t>(width);
  return {std::move(name),
          TensorType::kFloat32,
          {runs.rows(), width},
          [&runs, array, floats](std::ostream& out) {
            return runs.Merge([&](uint64_t, std::span<const float> row) {
              WriteBytes(out, row.subspan(array * floats, floats));
              return absl::OkStatus();
            });
          }};
}

}  // namespace ebb::tools
