#include "data/remote_files.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/mutex.h"
#include "common/objects/http_objects.h"
#include "common/objects/object_store.h"
#include "common/objects/s3_objects.h"
#include "common/status_macros.h"
#include "data/bytes/range_cache.h"
#include "data/compression/decompressed.h"
#include "data/find_files.h"

namespace ebb::data {

namespace {

constexpr absl::string_view kBucket = "s3://";

// A remote path: "s3://bucket/" or "https://host/", and the rest.
struct Place {
  std::string store;
  std::string key;
};

absl::StatusOr<Place> PlaceOf(absl::string_view path) {
  const size_t scheme = path.find("://");
  const size_t slash = path.find('/', scheme + 3);
  if (slash == absl::string_view::npos || slash == scheme + 3) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": no file is named; add /PATH"));
  }
  return Place{std::string(path.substr(0, slash + 1)),
               std::string(path.substr(slash + 1))};
}

absl::Status Named(absl::string_view path, const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kInvalidArgument:
      return status;
    case absl::StatusCode::kAborted:
      return absl::DataLossError(absl::StrCat(
          path, ": it was changed while it was read; begin again"));
    default:
      return absl::UnavailableError(status.message());
  }
}

// The sources of one OpenBytes share it.
class Remote {
 public:
  explicit Remote(RemoteFilesOptions options) : options_(std::move(options)) {
    if (!options_.cache_folder.empty()) {
      cache_ = std::make_unique<internal::RangeCache>(options_.cache_folder,
                                                      options_.cache_bytes);
    }
  }

  const RemoteFilesOptions& options() const { return options_; }
  internal::RangeCache* cache() { return cache_.get(); }

  absl::Status Allowed(absl::string_view path) const {
    if (!options_.sources.has_value()) return absl::OkStatus();
    for (const std::string& source : *options_.sources) {
      if (absl::StartsWith(path, source)) return absl::OkStatus();
    }
    return absl::PermissionDeniedError(absl::StrCat(
        path,
        ": this program may not read it; its --sources must have the "
        "beginning of the path"));
  }

  // A store is made once, and keeps its connections.
  absl::StatusOr<ObjectStore*> StoreOf(const Place& place) {
    MutexLock lock(&mu_);
    std::unique_ptr<ObjectStore>& store = stores_[place.store];
    if (store != nullptr) return store.get();
    if (absl::StartsWith(place.store, kBucket)) {
      EBB_ASSIGN_OR_RETURN(store,
                           S3Objects::OpenUrl(place.store, options_.environment,
                                              options_.retries));
    } else {
      EBB_ASSIGN_OR_RETURN(
          store,
          HttpObjects::Open({.base_url = place.store,
                             .ca_file = options_.environment("AWS_CA_BUNDLE"),
                             .retries = options_.retries}));
    }
    return store.get();
  }

 private:
  const RemoteFilesOptions options_;
  std::unique_ptr<internal::RangeCache> cache_;
  Mutex mu_;
  std::map<std::string, std::unique_ptr<ObjectStore>> stores_
      ABSL_GUARDED_BY(mu_);
};

// An object as it was when it was opened. Any number of threads read it.
class RemoteObject final : public ByteRanges {
 public:
  // The first bytes of the object, if there is no cache.
  struct Opened {
    std::unique_ptr<RemoteObject> object;
    std::string begin;
  };

  // Finds its size and its ETag.
  static absl::StatusOr<Opened> Open(std::shared_ptr<Remote> remote,
                                     std::string path, uint64_t most) {
    EBB_RETURN_IF_ERROR(remote->Allowed(path));
    EBB_ASSIGN_OR_RETURN(Place place, PlaceOf(path));
    EBB_ASSIGN_OR_RETURN(ObjectStore* const store, remote->StoreOf(place));
    const bool cached = remote->cache() != nullptr;
    auto first = store->Get(place.key, {.bytes = cached ? 1 : most});
    std::unique_ptr<RemoteObject> object(new RemoteObject(
        std::move(remote), std::move(path), std::move(place), store));
    if (absl::IsOutOfRange(first.status())) {
      return Opened{std::move(object), ""};  // Empty.
    }
    EBB_RETURN_IF_ERROR(Named(object->path_, first.status()));
    object->size_ = first->size;
    object->etag_ = std::move(first->etag);
    return Opened{std::move(object),
                  cached ? std::string() : std::move(first->bytes)};
  }

  uint64_t size() const override { return size_; }

  absl::Status Read(uint64_t offset, std::span<char> out) const override {
    while (!out.empty()) {
      const uint64_t bytes =
          std::min<uint64_t>(remote_->options().range_bytes, out.size());
      EBB_ASSIGN_OR_RETURN(const std::string part, Part(offset, bytes));
      std::copy_n(part.data(), part.size(), out.data());
      out = out.subspan(part.size());
      offset += part.size();
    }
    return absl::OkStatus();
  }

  // Returns exactly so many bytes, which must be there.
  absl::StatusOr<std::string> Part(uint64_t offset, uint64_t bytes) const {
    const std::string key =
        absl::StrCat(path_, "\n", etag_, "\n", offset, "\n", bytes);
    internal::RangeCache* const cache =
        etag_.empty() ? nullptr : remote_->cache();
    if (cache != nullptr) {
      if (auto kept = cache->Find(key)) return *std::move(kept);
    }
    auto part = store_->Get(
        place_.key, {.offset = offset, .bytes = bytes, .if_match = etag_});
    if (absl::IsOutOfRange(part.status()) ||
        (part.ok() && (part->size != size_ || part->bytes.size() != bytes))) {
      return Named(path_, absl::AbortedError(""));
    }
    EBB_RETURN_IF_ERROR(Named(path_, part.status()));
    if (cache != nullptr) cache->Keep(key, part->bytes);
    return std::move(part->bytes);
  }

  const Remote& remote() const { return *remote_; }

 private:
  RemoteObject(std::shared_ptr<Remote> remote, std::string path, Place place,
               ObjectStore* store)
      : remote_(std::move(remote)),
        path_(std::move(path)),
        place_(std::move(place)),
        store_(store) {}

  const std::shared_ptr<Remote> remote_;
  const std::string path_;
  const Place place_;
  ObjectStore* const store_;  // remote_ owns it.
  uint64_t size_ = 0;
  std::string etag_;
};

// Reads one part after the other.
class RemoteSource final : public ByteSource {
 public:
  explicit RemoteSource(RemoteObject::Opened opened)
      : object_(std::move(opened.object)),
        part_(std::move(opened.begin)),
        next_(part_.size()) {}

  absl::StatusOr<size_t> Read(std::span<char> out) override {
    if (at_ == part_.size()) {
      const uint64_t rest = object_->size() - next_;
      if (rest == 0) return 0;
      EBB_ASSIGN_OR_RETURN(
          part_,
          object_->Part(
              next_, std::min(object_->remote().options().range_bytes, rest)));
      next_ += part_.size();
      at_ = 0;
    }
    const size_t n = std::min(out.size(), part_.size() - at_);
    std::copy_n(part_.data() + at_, n, out.data());
    at_ += n;
    return n;
  }

 private:
  const std::unique_ptr<RemoteObject> object_;
  std::string part_;
  size_t at_ = 0;      // In the part.
  uint64_t next_ = 0;  // The next part begins there.
};

absl::StatusOr<std::unique_ptr<ByteSource>> OpenOne(
    const std::shared_ptr<Remote>& remote, absl::string_view path) {
  EBB_ASSIGN_OR_RETURN(RemoteObject::Opened opened,
                       RemoteObject::Open(remote, std::string(path),
                                          remote->options().range_bytes));
  auto source = std::make_unique<RemoteSource>(std::move(opened));
  if (!remote->options().decompress) return source;
  return internal::Decompressed(std::string(path), std::move(source));
}

absl::StatusOr<std::unique_ptr<const ByteRanges>> OpenRanges(
    const std::shared_ptr<Remote>& remote, absl::string_view path) {
  EBB_ASSIGN_OR_RETURN(
      RemoteObject::Opened opened,
      RemoteObject::Open(remote, std::string(path), /*most=*/1));
  return std::move(opened.object);
}

absl::StatusOr<std::vector<std::string>> Find(
    const std::shared_ptr<Remote>& remote, absl::string_view path) {
  EBB_RETURN_IF_ERROR(remote->Allowed(path));
  EBB_ASSIGN_OR_RETURN(const Place place, PlaceOf(path));
  const size_t pattern = place.key.find_first_of("*?[");
  if (!absl::StartsWith(path, kBucket)) {
    // "?" begins the query, as of a URL that is signed.
    if (pattern == std::string::npos || place.key[pattern] == '?') {
      return std::vector{std::string(path)};
    }
    return absl::InvalidArgumentError(absl::StrCat(
        path,
        ": a web server lists no files, so it must be one file, without "
        "* and ["));
  }
  EBB_ASSIGN_OR_RETURN(ObjectStore* const store, remote->StoreOf(place));
  const std::string prefix = place.key.substr(0, pattern);
  const auto listed = ListAllObjects(store, prefix);
  EBB_RETURN_IF_ERROR(Named(path, listed.status()));
  std::vector<std::string> all;
  for (const ListedObject& object : *listed) {
    all.push_back(place.store + object.key);
  }
  return FindFilesAmong(path, all);
}

}  // namespace

bool IsRemote(absl::string_view path) {
  return absl::StartsWith(path, kBucket) || absl::StartsWith(path, "http://") ||
         absl::StartsWith(path, "https://");
}

absl::StatusOr<std::optional<std::vector<std::string>>> ParseSources(
    absl::string_view text) {
  if (text == "all") return std::nullopt;
  std::vector<std::string> sources;
  for (const absl::string_view source :
       absl::StrSplit(text, ',', absl::SkipEmpty())) {
    const bool whole =
        IsRemote(source) && absl::EndsWith(source, "/") && PlaceOf(source).ok();
    if (!whole) {
      return absl::InvalidArgumentError(
          absl::StrCat(source,
                       " must begin with s3://BUCKET/, http://HOST/ or "
                       "https://HOST/, and end with /"));
    }
    sources.emplace_back(source);
  }
  return sources;
}

OpenBytes WithRemoteFiles(OpenBytes files, RemoteFilesOptions options) {
  const auto remote = std::make_shared<Remote>(std::move(options));
  return {[remote, files](absl::string_view path)
              -> absl::StatusOr<std::unique_ptr<ByteSource>> {
            return IsRemote(path) ? OpenOne(remote, path) : files(path);
          },
          [remote, files](absl::string_view path)
              -> absl::StatusOr<std::vector<std::string>> {
            return IsRemote(path) ? Find(remote, path) : files.FilesOf(path);
          },
          [remote, files](absl::string_view path)
              -> absl::StatusOr<std::unique_ptr<const ByteRanges>> {
            if (IsRemote(path)) return OpenRanges(remote, path);
            return files.RangesOf(path);
          }};
}

}  // namespace ebb::data
