#include "worker/fetched_data.h"

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/find_files.h"
#include "datasets/cache.h"
#include "datasets/manifest.h"
#include "rpc/data_sets.h"

namespace ebb::worker {

namespace {

// A file of the cache, held while it is read.
class HeldSource : public data::ByteSource {
 public:
  HeldSource(datasets::CachedFile file, std::unique_ptr<data::ByteSource> bytes)
      : file_(std::move(file)), bytes_(std::move(bytes)) {}

  absl::StatusOr<size_t> Read(std::span<char> out) override {
    return bytes_->Read(out);
  }
  absl::StatusOr<std::optional<absl::string_view>> Show(size_t least) override {
    return bytes_->Show(least);
  }
  void Pass(size_t bytes) override { bytes_->Pass(bytes); }
  absl::Status CheckUnchanged() const override {
    return bytes_->CheckUnchanged();
  }

 private:
  const datasets::CachedFile file_;
  const std::unique_ptr<data::ByteSource> bytes_;
};

struct Fetching {
  explicit Fetching(const FetchedDataOptions& options)
      : sets(options.address, options.security, {.stop = options.stop}) {}

  rpc::DataSetsClient sets;
  std::unique_ptr<datasets::Cache> cache;
};

}  // namespace

data::OpenBytes OpenFilesOnly(absl::string_view advice) {
  const auto refusal = [advice = std::string(advice)](absl::string_view path) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": ", advice));
  };
  return {[refusal](absl::string_view path)
              -> absl::StatusOr<std::unique_ptr<data::ByteSource>> {
            if (!datasets::IsUri(path)) return data::OpenFile(path);
            return refusal(path);
          },
          [refusal](absl::string_view path)
              -> absl::StatusOr<std::vector<std::string>> {
            if (!datasets::IsUri(path)) return data::FindFiles(path);
            return refusal(path);
          }};
}

absl::StatusOr<data::OpenBytes> OpenFetched(FetchedDataOptions options) {
  if (options.folder.empty()) {
    return OpenFilesOnly(
        "data sets are fetched into a folder of this machine, and there is "
        "none; name one with --data-cache");
  }
  auto fetching = std::make_shared<Fetching>(options);
  EBB_ASSIGN_OR_RETURN(
      fetching->cache,
      datasets::Cache::Make({.folder = std::move(options.folder),
                             .max_bytes = options.max_bytes,
                             .kill_points = options.kill_points},
                            &fetching->sets));
  auto find =
      [fetching](
          absl::string_view path) -> absl::StatusOr<std::vector<std::string>> {
    if (!datasets::IsUri(path)) return data::FindFiles(path);
    EBB_ASSIGN_OR_RETURN(const std::string set, datasets::SetOfUri(path));
    const auto files = fetching->cache->FilesOf(set);
    if (!files.ok()) {
      return absl::Status(files.status().code(),
                          absl::StrCat(path, ": ", files.status().message()));
    }
    return data::FindFilesAmong(path, *files);
  };
  auto open = [fetching](absl::string_view path)
      -> absl::StatusOr<std::unique_ptr<data::ByteSource>> {
    if (!datasets::IsUri(path)) return data::OpenFile(path);
    auto file = fetching->cache->Open(path);
    if (!file.ok()) {
      return absl::Status(file.status().code(),
                          absl::StrCat(path, ": ", file.status().message()));
    }
    EBB_ASSIGN_OR_RETURN(auto bytes, data::OpenFileAs(file->path, path));
    return std::make_unique<HeldSource>(*std::move(file), std::move(bytes));
  };
  return data::OpenBytes(std::move(open), std::move(find));
}

}  // namespace ebb::worker
