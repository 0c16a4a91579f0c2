#include "tools/buckets/bucket_file.h"

#include <algorithm>
#include <filesystem>
#include <ostream>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/mapped_file.h"
#include "common/status_macros.h"
#include "tools/files/files.h"
#include "tools/process/interrupt_note.h"

namespace ebb::tools {

namespace {

namespace fs = std::filesystem;

constexpr absl::string_view kScheme = "s3://";

absl::Status IsThere(const std::string& name) {
  return absl::AlreadyExistsError(
      absl::StrCat(name, "; --force replaces what is there"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<BucketFile>> BucketFile::Make(
    const std::string& store, std::string key, std::string last,
    const BucketFileOptions& options) {
  EBB_ASSIGN_OR_RETURN(auto objects,
                       S3Objects::OpenUrl(store, options.environment));
  EBB_ASSIGN_OR_RETURN(
      TemporaryFolder folder,
      TemporaryFolder::Make(FolderOfTemporaryFiles() + "/ebb-bucket"));
  return std::make_unique<BucketFile>(std::move(objects), options,
                                      std::move(key), std::move(last),
                                      std::move(folder));
}

absl::StatusOr<std::unique_ptr<BucketFile>> BucketFile::Open(
    const std::string& place, const BucketFileOptions& options) {
  const absl::string_view path = absl::StripPrefix(place, kScheme);
  const size_t slash = path.find('/');
  const std::string key(
      slash == absl::string_view::npos ? "" : path.substr(slash + 1));
  const absl::Status valid = CheckObjectKey(key);
  if (!valid.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(place, ": name an object, s3://BUCKET/KEY"));
  }
  return Make(absl::StrCat(kScheme, path.substr(0, slash)), key, "", options);
}

absl::StatusOr<std::unique_ptr<BucketFile>> BucketFile::OpenFolder(
    const std::string& place, absl::string_view last,
    const BucketFileOptions& options) {
  return Make(std::string(absl::StripSuffix(place, "/")), "", std::string(last),
              options);
}

std::string BucketFile::copy() const { return folder_ / "copy"; }

absl::Status BucketFile::MayPut(bool replace) {
  EBB_ASSIGN_OR_RETURN(const ObjectPage page,
                       objects_->List({.prefix = key_, .most = 1}));
  if (replace || page.objects.empty()) return absl::OkStatus();
  if (key_.empty()) {
    return IsThere(absl::StrCat(objects_->place(), " is not empty"));
  }
  // Others may begin with the key, and come after it.
  if (page.objects.front().key != key_) return absl::OkStatus();
  return IsThere(absl::StrCat(objects_->place(), key_, " exists"));
}

absl::Status BucketFile::PutOne(const std::string& key, const std::string& path,
                                bool replace, const InterruptNote& note) {
  if (note.noted()) {
    return absl::CancelledError(
        absl::StrCat(objects_->place(), key, ": the upload was interrupted"));
  }
  EBB_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  absl::Status put;
  if (file.bytes().size() <= options_.most_at_once) {
    put =
        PutObject(objects_.get(), key, file.bytes(), {.create_only = !replace})
            .status();
  } else {
    // A killed command deletes its parts before it ends.
    put = objects_
              ->PutLarge(key, file.bytes(),
                         {.create_only = !replace,
                          .part_bytes = options_.part_bytes,
                          .stop = [&] { return note.noted(); }})
              .status();
  }
  if (!absl::IsAlreadyExists(put)) return put;
  return IsThere(absl::StrCat(objects_->place(), key, " exists"));
}

absl::Status BucketFile::Put(bool replace) {
  const InterruptNote note;
  if (!key_.empty()) return PutOne(key_, copy(), replace, note);
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(copy(), error)) {
    names.push_back(entry.path().filename().string());
  }
  if (error) return absl::ErrnoToStatus(error.value(), copy());
  std::ranges::sort(names);
  // A reader never sees the new objects as the old whole.
  if (replace) EBB_RETURN_IF_ERROR(objects_->Delete(last_));
  for (const std::string& name : names) {
    if (name == last_) continue;
    EBB_RETURN_IF_ERROR(
        PutOne(name, absl::StrCat(copy(), "/", name), replace, note));
  }
  return PutOne(last_, absl::StrCat(copy(), "/", last_), replace, note);
}

absl::Status BucketFile::Get() {
  const InterruptNote note;
  const auto interrupted = [&] {
    return note.noted()
               ? absl::CancelledError(absl::StrCat(
                     objects_->place(), key_, ": the download was interrupted"))
               : absl::OkStatus();
  };
  return WriteFile(copy(), [&](std::ostream& out) -> absl::Status {
    GetOptions part{.bytes = options_.part_bytes};
    for (uint64_t size = 1; part.offset < size; part.offset += part.bytes) {
      EBB_RETURN_IF_ERROR(interrupted());
      const auto content = objects_->Get(key_, part);
      // An empty object has no part that could be read.
      if (part.offset == 0 && absl::IsOutOfRange(content.status())) break;
      if (!content.ok()) {
        EBB_RETURN_IF_ERROR(interrupted());
        return content.status();
      }
      out << content->bytes;
      size = content->size;
      part.if_match = content->etag;
    }
    return interrupted();
  });
}

}  // namespace ebb::tools
