// Folders and sources of data sets, for tests.
#ifndef EBB_DATASETS_TESTING_FILES_H_
#define EBB_DATASETS_TESTING_FILES_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/mutex.h"
#include "datasets/target.h"

namespace ebb::datasets {

// Makes the folders above it, too.
inline void WriteFile(const std::string& path, const std::string& bytes) {
  std::filesystem::create_directories(
      std::filesystem::path(path).parent_path());
  std::ofstream out(path, std::ios::binary);
  out << bytes;
}

inline std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return "";
  std::string bytes(static_cast<size_t>(in.tellg()), 0);
  in.seekg(0);
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

// Bytes without repetition; another seed gives other bytes. It makes eight at a
// time: sanitizers look at each access.
inline std::string Bytes(int64_t size, uint64_t seed = 1) {
  std::string bytes(static_cast<size_t>(size), 0);
  uint64_t state = seed * 0x9e3779b97f4a7c15;
  for (size_t at = 0; at < bytes.size(); at += sizeof(state)) {
    state = state * 6364136223846793005 + 1442695040888963407;
    // No zero, which a file that is made anew has.
    const uint64_t word = (state ^ (state >> 32)) | 1;
    std::memcpy(&bytes[at], &word, std::min(sizeof(word), bytes.size() - at));
  }
  return bytes;
}

// Another source that records the requests; its answers can be changed.
// Thread-safe.
class WatchedSource : public Source {
 public:
  explicit WatchedSource(Source* source) : source_(*source) {}

  absl::StatusOr<std::string> GetManifest(absl::string_view name) override {
    {
      MutexLock lock(&mu_);
      if (!down_.ok()) return down_;
    }
    return source_.GetManifest(name);
  }
  absl::StatusOr<std::string> GetChunk(absl::string_view name,
                                       absl::string_view id,
                                       int64_t chunk) override {
    std::function<void(std::string*)> change;
    {
      MutexLock lock(&mu_);
      if (!down_.ok()) return down_;
      chunks_.push_back(chunk);
      change = change_;
    }
    auto bytes = source_.GetChunk(name, id, chunk);
    if (bytes.ok() && change != nullptr) change(&*bytes);
    return bytes;
  }

  // Returns the chunks that were asked for since this was called last.
  std::vector<int64_t> TakeChunks() {
    MutexLock lock(&mu_);
    return std::exchange(chunks_, {});
  }
  // An error is the answer to everything from now on.
  void SetDown(absl::Status status) {
    MutexLock lock(&mu_);
    down_ = std::move(status);
  }
  void SetChange(std::function<void(std::string*)> change) {
    MutexLock lock(&mu_);
    change_ = std::move(change);
  }

 private:
  Source& source_;
  Mutex mu_;
  std::vector<int64_t> chunks_ ABSL_GUARDED_BY(mu_);
  absl::Status down_ ABSL_GUARDED_BY(mu_);
  std::function<void(std::string*)> change_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ebb::datasets

#endif  // EBB_DATASETS_TESTING_FILES_H_
