#include "tools/ebb/stored/bucket_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/mapped_file.h"
#include "common/objects/s3_objects.h"
#include "common/status_macros.h"
#include "tools/files/files.h"

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
    const Environment& environment) {
  EBB_ASSIGN_OR_RETURN(S3Options options, ParseS3Url(store, environment));
  EBB_ASSIGN_OR_RETURN(auto objects, S3Objects::Open(std::move(options)));
  std::error_code error;
  const fs::path temporary = fs::temp_directory_path(error);
  std::string folder =
      absl::StrCat(error ? "." : temporary.string(), "/ebb-bucket-XXXXXX");
  if (mkdtemp(folder.data()) == nullptr) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("cannot make the temporary folder ", folder));
  }
  return std::make_unique<BucketFile>(std::move(objects), std::move(key),
                                      std::move(last), std::move(folder));
}

absl::StatusOr<std::unique_ptr<BucketFile>> BucketFile::Open(
    const std::string& place, const Environment& environment) {
  const absl::string_view path = absl::StripPrefix(place, kScheme);
  const size_t slash = path.find('/');
  const std::string key(
      slash == absl::string_view::npos ? "" : path.substr(slash + 1));
  const absl::Status valid = CheckObjectKey(key);
  if (!valid.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(place, ": name an object, s3://BUCKET/KEY"));
  }
  return Make(absl::StrCat(kScheme, path.substr(0, slash)), key, "",
              environment);
}

absl::StatusOr<std::unique_ptr<BucketFile>> BucketFile::OpenFolder(
    const std::string& place, absl::string_view last,
    const Environment& environment) {
  return Make(std::string(absl::StripSuffix(place, "/")), "", std::string(last),
              environment);
}

BucketFile::~BucketFile() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

std::string BucketFile::copy() const { return absl::StrCat(folder_, "/copy"); }

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
                                bool replace) {
  EBB_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  absl::Status put =
      PutObject(objects_.get(), key, file.bytes(), {.create_only = !replace})
          .status();
  if (!absl::IsAlreadyExists(put)) return put;
  return IsThere(absl::StrCat(objects_->place(), key, " exists"));
}

absl::Status BucketFile::Put(bool replace) {
  const bool one = !key_.empty();
  // Nothing is put if one cannot be.
  std::vector<std::string> names;
  std::error_code error;
  if (!one) {
    for (const auto& entry : fs::directory_iterator(copy(), error)) {
      names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
  }
  const auto check = [&](const std::string& key,
                         const std::string& path) -> absl::Status {
    const auto bytes = fs::file_size(path, error);
    if (error) return absl::ErrnoToStatus(error.value(), path);
    if (bytes <= kMostObjectBytes) return absl::OkStatus();
    return absl::ResourceExhaustedError(absl::StrCat(
        objects_->place(), key, " would have ", bytes >> 20,
        " MiB, and ebb puts objects of at most ", kMostObjectBytes >> 20,
        " MiB. ",
        one ? "Name a prefix, which gets an object for each tensor, or a file "
              "of this machine, and copy that"
            : "Name a folder of this machine, and copy that"));
  };
  if (one) {
    EBB_RETURN_IF_ERROR(check(key_, copy()));
    return PutOne(key_, copy(), replace);
  }
  if (error) return absl::ErrnoToStatus(error.value(), copy());
  for (const std::string& name : names) {
    EBB_RETURN_IF_ERROR(check(name, absl::StrCat(copy(), "/", name)));
  }
  // A reader never sees the new objects as the old whole.
  if (replace) EBB_RETURN_IF_ERROR(objects_->Delete(last_));
  for (const std::string& name : names) {
    if (name == last_) continue;
    EBB_RETURN_IF_ERROR(PutOne(name, absl::StrCat(copy(), "/", name), replace));
  }
  return PutOne(last_, absl::StrCat(copy(), "/", last_), replace);
}

absl::Status BucketFile::Get() {
  EBB_ASSIGN_OR_RETURN(const ObjectContent content, objects_->Get(key_, {}));
  return WriteFile(copy(), content.bytes);
}

}  // namespace ebb::tools
