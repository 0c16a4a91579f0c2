// An ObjectStore in a bucket of S3, or of a server that speaks as S3 does.
#ifndef EBB_COMMON_OBJECTS_S3_OBJECTS_H_
#define EBB_COMMON_OBJECTS_S3_OBJECTS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/objects/credentials.h"
#include "common/objects/internal/http_client.h"
#include "common/objects/object_store.h"
#include "common/objects/retries.h"

namespace ebb {

struct S3Options {
  std::string bucket;
  // All keys begin with it. Empty, or ends with "/".
  std::string prefix;
  // "http://host:port" or "https://host", without a path; empty: AWS.
  std::string endpoint;
  std::string region = "us-east-1";
  // A PEM file with the certificates to trust; empty: those of the machine.
  std::string ca_file;
  HttpTimeouts timeouts;
  RetryOptions retries;
  // The credentials come from there.
  Environment environment = ProcessEnvironment;
  std::function<absl::Time()> now = absl::Now;

  absl::Status Validate() const;
};

// The options of "s3://BUCKET/PREFIX". The environment gives the rest, by the
// names that the AWS tools know: AWS_REGION or AWS_DEFAULT_REGION,
// AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, AWS_CA_BUNDLE, and what
// CredentialsSource reads. InvalidArgument.
absl::StatusOr<S3Options> ParseS3Url(absl::string_view url,
                                     const Environment& environment);

struct LargePutOptions {
  // The object must not be there yet.
  bool create_only = false;
  // A part's bytes. S3 takes parts of at least 5 MiB and at most 10,000 of
  // them, so those of a very large object are larger.
  uint64_t part_bytes = uint64_t{64} << 20;
  // Is asked before each part and at the end. True: the upload is given up.
  std::function<bool()> stop;
};

// Requests are signed by SigV4 with the hash of the body. A request is repeated
// after 5xx, 429, "409 again", a connection that broke, and a body that was
// cut. A create whose outcome is not known is read back and compared.
//
// Thread-safe.
class S3Objects final : public ObjectStore {
 public:
  static absl::StatusOr<std::unique_ptr<S3Objects>> Open(S3Options options);
  // Opens "s3://BUCKET/PREFIX", as ParseS3Url reads it.
  static absl::StatusOr<std::unique_ptr<S3Objects>> OpenUrl(
      absl::string_view url,
      const Environment& environment = ProcessEnvironment,
      const RetryOptions& retries = {});

  // Use Open or OpenUrl.
  explicit S3Objects(S3Options options);

  const std::string& place() const override { return place_; }
  absl::StatusOr<ObjectContent> Get(absl::string_view key,
                                    const GetOptions& options) override;
  absl::StatusOr<std::string> Put(absl::string_view key,
                                  std::span<const absl::string_view> parts,
                                  const PutOptions& options) override;
  absl::StatusOr<ObjectPage> List(const ListOptions& options) override;
  absl::Status Delete(absl::string_view key) override;

  // Puts an object of any size in parts, one after the other ("multipart
  // upload"), and returns its ETag. The object appears whole, after the last
  // part. `bytes` may be mapped: only a part is looked at at a time. After an
  // error the parts are deleted; the message says so if they cannot be. Errors
  // are those of Put. Cancelled: `stop` said so.
  //
  // A server that ignores conditions at the end of an upload may replace an
  // object that another program creates at the same moment.
  absl::StatusOr<std::string> PutLarge(absl::string_view key,
                                       absl::string_view bytes,
                                       const LargePutOptions& options);

  // Requests that were sent, repeated ones included.
  int64_t requests() const { return requests_; }

 private:
  struct Call {
    std::string method;
    std::string key;  // With the prefix; empty: the bucket.
    std::map<std::string, std::string> query;
    std::map<std::string, std::string> headers;
    std::span<const absl::string_view> body;
    std::string body_sha256;
    uint64_t most_bytes = 1 << 20;
  };
  HttpRequest Sign(const Call& call,
                   const std::optional<Credentials>& credentials) const;
  absl::StatusOr<HttpResponse> SendOnce(const Call& call);
  // Repeats the call while the response may pass. `unsure` (may be null) is
  // set also on an error.
  absl::StatusOr<HttpResponse> Send(const Call& call, bool* unsure);
  absl::Status ErrorOf(const Call& call, const HttpResponse& response) const;
  std::string NameOf(const Call& call) const;
  // OK with the ETag if the object is there with these bytes.
  absl::StatusOr<std::string> SameThere(
      absl::string_view key, std::span<const absl::string_view> parts);

  // The same, a part at a time.
  absl::StatusOr<std::string> SameThere(absl::string_view key,
                                        absl::string_view bytes,
                                        uint64_t part_bytes);
  // The parts of a multipart upload.
  struct Upload;
  absl::StatusOr<std::string> Begin(const std::string& key);
  absl::Status PutParts(Upload* upload, const LargePutOptions& options);
  absl::StatusOr<std::string> Complete(const Upload& upload,
                                       const LargePutOptions& options);
  absl::Status Abort(const Upload& upload);

  const S3Options options_;
  const std::string place_;
  const std::string host_;       // "bucket.s3.region.amazonaws.com"
  const std::string base_url_;   // "https://HOST"
  const std::string base_path_;  // "" or "/bucket"
  CredentialsSource credentials_;
  HttpClient client_;
  std::atomic<int64_t> requests_{0};  // Pairs with nothing: a count for tests.
};

}  // namespace ebb

#endif  // EBB_COMMON_OBJECTS_S3_OBJECTS_H_
