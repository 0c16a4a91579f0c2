// The result of a task as rows of a write-once table: bytes under the task's
// number, in parts of the table's width.
//
//   CutTask(17, bytes, [&](uint64_t key, std::span<const std::byte> part) {
//     sink->Write(table, key, part);
//   });
//
//   TaskJoiner joiner([&](int64_t task, absl::string_view bytes) { ... });
//   ... joiner.Add(key, part);  // In ascending order of keys.
//   EBB_RETURN_IF_ERROR(std::move(joiner).Finish());
#ifndef EBB_COMMON_TASK_ROWS_H_
#define EBB_COMMON_TASK_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ebb {

// The width of tables of tasks.
inline constexpr int32_t kTaskRowBytes = 4096;
// A key is the number of the task, and in so many lower bits that of the part.
inline constexpr int kTaskPartBits = 20;
inline constexpr int64_t kMostTaskBytes =
    (int64_t{1} << kTaskPartBits) * kTaskRowBytes - 2 * sizeof(uint64_t);

constexpr int64_t TaskOfKey(uint64_t key) {
  return static_cast<int64_t>(key >> kTaskPartBits);
}

// How many rows a result of so many bytes takes.
constexpr int64_t TaskRows(int64_t bytes) {
  const int64_t all = bytes + 2 * static_cast<int64_t>(sizeof(uint64_t));
  return (all + kTaskRowBytes - 1) / kTaskRowBytes;
}

// The parts of the result, in the order of their keys. The first one begins
// with the number of bytes, and their hash. OutOfRange: they are more than
// kMostTaskBytes.
absl::Status CutTask(
    int64_t task, absl::string_view bytes,
    absl::FunctionRef<void(uint64_t key, std::span<const std::byte> part)>
        write);

// The results again, one after the other.
//
// Thread-compatible.
class TaskJoiner {
 public:
  // Takes each result of which all parts are there, in the order of the
  // tasks.
  using OnResult =
      std::function<absl::Status(int64_t task, absl::string_view bytes)>;
  explicit TaskJoiner(OnResult on_result) : on_result_(std::move(on_result)) {}

  // DataLoss: the parts of one task do not belong together. Else the errors of
  // what learns results.
  absl::Status Add(uint64_t key, std::span<const std::byte> part);
  // After the last part; the same errors.
  absl::Status Finish() && { return EndTask(); }

 private:
  absl::Status EndTask();

  const OnResult on_result_;
  std::optional<int64_t> task_;  // The one of the parts that come now.
  std::string bytes_;
  int64_t parts_ = 0;  // So many in a row are there.
  bool gap_ = false;
};

}  // namespace ebb

#endif  // EBB_COMMON_TASK_ROWS_H_
