// Objects that are put in parts.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/objects/internal/pages.h"
#include "common/objects/internal/s3_xml.h"
#include "common/objects/internal/sigv4.h"
#include "common/objects/retries.h"
#include "common/objects/s3_objects.h"
#include "common/status_macros.h"

namespace ebb {

namespace {

constexpr uint64_t kMostParts = 10'000;
// The largest object that S3 has.
constexpr uint64_t kMostBytes = uint64_t{5} << 40;

}  // namespace

struct S3Objects::Upload {
  std::string key;  // Without the prefix.
  absl::string_view bytes;
  uint64_t part_bytes = 0;
  std::string id;
  std::vector<std::string> etags;  // One for each part.
};

absl::StatusOr<std::string> S3Objects::SameThere(absl::string_view key,
                                                 absl::string_view bytes,
                                                 uint64_t part_bytes) {
  GetOptions options{.bytes = part_bytes};
  for (; options.offset < bytes.size(); options.offset += part_bytes) {
    const auto part = Get(key, options);
    if (absl::IsOutOfRange(part.status())) return ObjectIsThere(place_, key);
    EBB_RETURN_IF_ERROR(part.status());
    if (part->size != bytes.size() ||
        part->bytes != bytes.substr(options.offset, part_bytes)) {
      return ObjectIsThere(place_, key);
    }
    options.if_match = part->etag;
  }
  return options.if_match;
}

absl::StatusOr<std::string> S3Objects::Begin(const std::string& key) {
  Call call;
  call.method = "POST";
  call.key = absl::StrCat(options_.prefix, key);
  call.query = {{"uploads", ""}};
  call.body_sha256 = HexSha256({});
  EBB_ASSIGN_OR_RETURN(const HttpResponse answer, Send(call, nullptr));
  if (answer.status != 200) return ErrorOf(call, answer);
  std::string id = ParseUploadId(answer.body);
  if (!id.empty()) return id;
  return absl::UnavailableError(
      absl::StrCat(NameOf(call), ": the server gives no UploadId, so it does ",
                   "not take objects in parts"));
}

absl::Status S3Objects::PutParts(Upload* upload,
                                 const LargePutOptions& options) {
  const auto go_on = [&] {
    return options.stop == nullptr || !options.stop()
               ? absl::OkStatus()
               : absl::CancelledError(absl::StrCat(
                     place_, upload->key, ": the upload was interrupted"));
  };
  for (uint64_t at = 0; at < upload->bytes.size(); at += upload->part_bytes) {
    EBB_RETURN_IF_ERROR(go_on());
    const absl::string_view part = upload->bytes.substr(at, upload->part_bytes);
    Call call;
    call.method = "PUT";
    call.key = absl::StrCat(options_.prefix, upload->key);
    call.query = {{"partNumber", absl::StrCat(upload->etags.size() + 1)},
                  {"uploadId", upload->id}};
    call.body = std::span(&part, 1);
    call.body_sha256 = HexSha256(call.body);
    EBB_ASSIGN_OR_RETURN(const HttpResponse answer, Send(call, nullptr));
    if (answer.status != 200) return ErrorOf(call, answer);
    upload->etags.push_back(answer.Header("etag"));
  }
  return go_on();
}

absl::StatusOr<std::string> S3Objects::Complete(
    const Upload& upload, const LargePutOptions& options) {
  const std::string list = CompleteUploadXml(upload.etags);
  const absl::string_view body = list;
  Call call;
  call.method = "POST";
  call.key = absl::StrCat(options_.prefix, upload.key);
  call.query = {{"uploadId", upload.id}};
  call.body = std::span(&body, 1);
  call.body_sha256 = HexSha256(call.body);
  if (options.create_only) call.headers["if-none-match"] = "*";
  const auto same = [&] {
    auto there = SameThere(upload.key, upload.bytes, upload.part_bytes);
    // If another upload made it, this one's parts would stay for ever.
    if (there.ok()) Abort(upload).IgnoreError();
    return there;
  };
  bool unsure = false;
  absl::Status failed;
  Retries retries(options_.retries, static_cast<uint64_t>(requests_.load()));
  do {
    const absl::StatusOr<HttpResponse> answer = Send(call, &unsure);
    if (!answer.ok()) {
      failed = answer.status();
      break;
    }
    if (answer->status == 412 && options.create_only) return same();
    const S3Error error = ParseS3Error(answer->body);
    if (answer->status != 200) {
      // libcurl repeats some requests by itself, and does not say so.
      unsure |= error.code == "NoSuchUpload";
      failed = ErrorOf(call, *answer);
      break;
    }
    std::string etag = ParseCompletedUpload(answer->body);
    if (!etag.empty()) return etag;
    // The status is sent before the server has put the parts together.
    failed = absl::UnavailableError(
        absl::StrCat(NameOf(call), ": the server cannot put the parts ",
                     "together (", error.code, ": ", error.message, ")"));
    unsure = true;
  } while (retries.Again(std::string(failed.message())));
  // A try whose answer was lost may have succeeded.
  if (unsure) {
    auto there = same();
    if (there.ok()) return there;
  }
  return failed;
}

absl::Status S3Objects::Abort(const Upload& upload) {
  Call call;
  call.method = "DELETE";
  call.key = absl::StrCat(options_.prefix, upload.key);
  call.query = {{"uploadId", upload.id}};
  call.body_sha256 = HexSha256({});
  EBB_ASSIGN_OR_RETURN(const HttpResponse answer, Send(call, nullptr));
  const bool gone = answer.status == 200 || answer.status == 204 ||
                    ParseS3Error(answer.body).code == "NoSuchUpload";
  return gone ? absl::OkStatus() : ErrorOf(call, answer);
}

absl::StatusOr<std::string> S3Objects::PutLarge(
    absl::string_view key, absl::string_view bytes,
    const LargePutOptions& options) {
  EBB_RETURN_IF_ERROR(CheckObjectKey(key));
  if (bytes.size() > kMostBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(place_, key, " would have ", bytes.size() >> 30,
                     " GiB, and an object has at most ", kMostBytes >> 30));
  }
  // An upload takes an object with at least one byte.
  if (bytes.size() <= options.part_bytes) {
    return PutObject(this, key, bytes, {.create_only = options.create_only});
  }
  Upload upload{
      .key = std::string(key),
      .bytes = bytes,
      .part_bytes = std::max(options.part_bytes,
                             (bytes.size() + kMostParts - 1) / kMostParts)};
  const auto there = [&]() -> absl::Status {
    if (!options.create_only) return absl::OkStatus();
    const auto found = Get(key, {.bytes = 1});
    if (absl::IsNotFound(found.status())) return absl::OkStatus();
    return found.ok() || absl::IsOutOfRange(found.status())
               ? ObjectIsThere(place_, key)
               : found.status();
  };
  // Some servers ignore the condition at the end.
  if (absl::Status found = there(); !found.ok()) {
    if (!absl::IsAlreadyExists(found)) return found;
    return SameThere(key, bytes, upload.part_bytes);
  }
  EBB_ASSIGN_OR_RETURN(upload.id, Begin(upload.key));
  absl::Status failed = PutParts(&upload, options);
  if (failed.ok()) failed = there();
  if (failed.ok()) {
    absl::StatusOr<std::string> etag = Complete(upload, options);
    if (etag.ok()) return etag;
    failed = etag.status();
  }
  const absl::Status aborted = Abort(upload);
  if (aborted.ok()) return failed;
  return absl::Status(
      failed.code(),
      absl::StrCat(
          failed.message(), "; the parts of the upload ", upload.id,
          " stay in the bucket until it is aborted: ", aborted.message()));
}

}  // namespace ebb
