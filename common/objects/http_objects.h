// An ObjectStore over files of a web server, to read only.
#ifndef EBB_COMMON_OBJECTS_HTTP_OBJECTS_H_
#define EBB_COMMON_OBJECTS_HTTP_OBJECTS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/objects/internal/http_client.h"
#include "common/objects/object_store.h"
#include "common/objects/retries.h"

namespace ebb {

struct HttpObjectsOptions {
  // "https://host/folder/", before each key.
  std::string base_url;
  std::string ca_file;  // The same as S3Options::ca_file.
  HttpTimeouts timeouts;
  RetryOptions retries;

  absl::Status Validate() const;
};

// Parts are read by ranges, which the server must know. A file that changes
// while it is read is noticed by its ETag, or by its date where there is no
// ETag. Put, List and Delete are FailedPrecondition.
//
// Thread-safe.
class HttpObjects final : public ObjectStore {
 public:
  static absl::StatusOr<std::unique_ptr<HttpObjects>> Open(
      HttpObjectsOptions options);

  // Use Open.
  explicit HttpObjects(HttpObjectsOptions options)
      : options_(std::move(options)),
        client_(options_.timeouts, options_.ca_file) {}

  const std::string& place() const override { return options_.base_url; }
  absl::StatusOr<ObjectContent> Get(absl::string_view key,
                                    const GetOptions& options) override;
  absl::StatusOr<std::string> Put(absl::string_view key,
                                  std::span<const absl::string_view> parts,
                                  const PutOptions& options) override;
  absl::StatusOr<ObjectPage> List(const ListOptions& options) override;
  absl::Status Delete(absl::string_view key) override;

 private:
  absl::StatusOr<HttpResponse> Send(const HttpRequest& request);
  absl::Status ToReadOnly() const;

  const HttpObjectsOptions options_;
  HttpClient client_;
  std::atomic<uint64_t> requests_{0};  // Pairs with nothing: seeds waits.
};

}  // namespace ebb

#endif  // EBB_COMMON_OBJECTS_HTTP_OBJECTS_H_
