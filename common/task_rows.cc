#include "common/task_rows.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/example_hash.h"
#include "common/status_macros.h"

namespace ebb {

namespace {

constexpr uint64_t kPartMask = (uint64_t{1} << kTaskPartBits) - 1;

struct Head {
  uint64_t size = 0;
  uint64_t hash = 0;
};

uint64_t HashOf(absl::string_view bytes) {
  uint64_t hash = 0;
  for (size_t at = 0; at < bytes.size(); at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at,
                std::min(sizeof(word), bytes.size() - at));
    hash = HashAppend(hash, word);
  }
  return hash;
}

}  // namespace

absl::Status CutTask(
    int64_t task, absl::string_view bytes,
    absl::FunctionRef<void(uint64_t key, std::span<const std::byte> part)>
        write) {
  if (static_cast<int64_t>(bytes.size()) > kMostTaskBytes) {
    return absl::OutOfRangeError(
        absl::StrCat("the result of task ", task, " has ", bytes.size(),
                     " bytes, at most ", kMostTaskBytes, " are possible"));
  }
  const Head head = {bytes.size(), HashOf(bytes)};
  std::string all(sizeof(head), '\0');
  std::memcpy(all.data(), &head, sizeof(head));
  all.append(bytes.data(), bytes.size());
  uint64_t key = static_cast<uint64_t>(task) << kTaskPartBits;
  for (size_t at = 0; at < all.size(); at += kTaskRowBytes) {
    const size_t size = std::min<size_t>(kTaskRowBytes, all.size() - at);
    write(key++, std::as_bytes(std::span(all).subspan(at, size)));
  }
  return absl::OkStatus();
}

absl::Status TaskJoiner::Add(uint64_t key, std::span<const std::byte> part) {
  if (task_ != TaskOfKey(key)) {
    EBB_RETURN_IF_ERROR(EndTask());
    task_ = TaskOfKey(key);
  }
  if ((key & kPartMask) != static_cast<uint64_t>(parts_)) gap_ = true;
  ++parts_;
  bytes_.append(reinterpret_cast<const char*>(part.data()), part.size());
  return absl::OkStatus();
}

absl::Status TaskJoiner::EndTask() {
  if (!task_) return absl::OkStatus();
  const int64_t task = *std::exchange(task_, std::nullopt);
  std::string bytes = std::exchange(bytes_, {});
  parts_ = 0;
  Head head;
  const bool begins =
      !std::exchange(gap_, false) && bytes.size() >= sizeof(head);
  if (begins) std::memcpy(&head, bytes.data(), sizeof(head));
  if (!begins || bytes.size() - sizeof(head) < head.size) {
    return absl::OkStatus();  // Some parts are missing.
  }
  const absl::string_view result =
      absl::string_view(bytes).substr(sizeof(head));
  if (result.size() != head.size || HashOf(result) != head.hash) {
    return absl::DataLossError(absl::StrCat(
        "the parts of the result of task ", task,
        " do not belong together: it was computed twice, with other bytes"));
  }
  return on_result_(task, result);
}

}  // namespace ebb
