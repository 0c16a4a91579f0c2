#include "bench/data/object_rows.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bench/common/limits.h"
#include "common/objects/credentials.h"
#include "common/objects/object_store.h"
#include "common/objects/s3_objects.h"
#include "common/status_macros.h"
#include "common/tls/sha256.h"

namespace ebb::bench {

namespace {

constexpr Bound kOfCurl{Bound::Kind::kAtLeast, 0.8};
constexpr char kUnsigned[] = "UNSIGNED-PAYLOAD";

// libcurl signs its requests itself. It does not look at the body: its hash is
// given, or there is none.
class BareCurl {
 public:
  BareCurl(const S3Options& options, const Environment& environment)
      : place_(absl::StrCat(options.endpoint, "/", options.bucket, "/",
                            options.prefix)),
        host_(absl::StrCat("Host: ", options.endpoint.substr(
                                         options.endpoint.find("//") + 2))),
        signer_(absl::StrCat("aws:amz:", options.region, ":s3")),
        keys_(absl::StrCat(environment("AWS_ACCESS_KEY_ID"), ":",
                           environment("AWS_SECRET_ACCESS_KEY"))),
        curl_(curl_easy_init(), curl_easy_cleanup) {}

  // `hashes`: the body's hash is signed, too.
  absl::Status Put(const std::string& key, absl::string_view bytes,
                   bool hashes) {
    content_ = hashes ? absl::BytesToHexString(
                            Sha256OfParts(std::span(&bytes, size_t{1})))
                      : kUnsigned;
    rest_ = bytes;
    got_ = nullptr;
    Begin(key);
    curl_easy_setopt(curl_.get(), CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl_.get(), CURLOPT_READFUNCTION, OnRead);
    curl_easy_setopt(curl_.get(), CURLOPT_READDATA, this);
    curl_easy_setopt(curl_.get(), CURLOPT_INFILESIZE_LARGE,
                     static_cast<curl_off_t>(bytes.size()));
    return Perform("put ", key);
  }

  absl::Status Get(const std::string& key, std::string* bytes) {
    got_ = bytes;
    got_->clear();
    content_ = kUnsigned;
    Begin(key);
    return Perform("get ", key);
  }

 private:
  void Begin(const std::string& key) {
    CURL* const curl = curl_.get();
    curl_easy_reset(curl);  // It keeps the connection.
    curl_easy_setopt(curl, CURLOPT_URL, absl::StrCat(place_, key).c_str());
    curl_easy_setopt(curl, CURLOPT_AWS_SIGV4, signer_.c_str());
    curl_easy_setopt(curl, CURLOPT_USERPWD, keys_.c_str());
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, OnWrite);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 512L << 10);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 2L << 20);
  }
  absl::Status Perform(absl::string_view what, absl::string_view key) {
    curl_slist* headers = curl_slist_append(
        nullptr, absl::StrCat("x-amz-content-sha256: ", content_).c_str());
    // libcurl 7.88 would sign the host without its port.
    headers = curl_slist_append(headers, host_.c_str());
    const absl::Cleanup frees = [headers] { curl_slist_free_all(headers); };
    curl_easy_setopt(curl_.get(), CURLOPT_HTTPHEADER, headers);
    const CURLcode code = curl_easy_perform(curl_.get());
    long status = 0;  // NOLINT(google-runtime-int): libcurl's type.
    curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && status == 200) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat("curl cannot ", what, key, ": ",
                                               curl_easy_strerror(code),
                                               ", HTTP status ", status));
  }

  static size_t OnRead(char* to, size_t size, size_t count, void* self) {
    absl::string_view& rest = static_cast<BareCurl*>(self)->rest_;
    const size_t n = std::min(size * count, rest.size());
    std::memcpy(to, rest.data(), n);
    rest.remove_prefix(n);
    return n;
  }
  static size_t OnWrite(char* from, size_t size, size_t count, void* self) {
    std::string* const got = static_cast<BareCurl*>(self)->got_;
    if (got != nullptr) got->append(from, size * count);
    return size * count;
  }

  const std::string place_, host_, signer_, keys_;
  const std::unique_ptr<CURL, void (*)(CURL*)> curl_;
  absl::string_view rest_;
  std::string* got_ = nullptr;
  std::string content_;  // Signed of the body.
};

}  // namespace

absl::StatusOr<std::vector<Row>> MeasureObjects(
    const ObjectRowsOptions& options) {
  EBB_ASSIGN_OR_RETURN(S3Options s3,
                       ParseS3Url(options.bucket, ProcessEnvironment));
  if (s3.endpoint.empty()) {
    return absl::InvalidArgumentError(
        "AWS_ENDPOINT_URL_S3 is not set: the server to measure is a local one");
  }
  if (!s3.prefix.empty() && s3.prefix.back() != '/') s3.prefix += "/";
  EBB_ASSIGN_OR_RETURN(const auto store, S3Objects::Open(s3));
  BareCurl curl(s3, ProcessEnvironment);
  std::string bytes(static_cast<size_t>(options.object_bytes), '\0');
  std::mt19937_64 random(1);
  for (char& byte : bytes) byte = static_cast<char>(random());

  std::string got;
  // GB/s of so many calls.
  const auto each =
      [&](absl::FunctionRef<absl::Status(const std::string&)> call)
      -> absl::StatusOr<double> {
    absl::Status status;
    const double seconds = SecondsOf([&] {
      for (int i = 0; i < options.objects && status.ok(); ++i) {
        status = call(absl::StrCat("bench-", i));
      }
    });
    EBB_RETURN_IF_ERROR(status);
    return static_cast<double>(options.objects * options.object_bytes) * 1e-9 /
           seconds;
  };
  const auto forget = [&]() -> absl::Status {
    return each([&](const std::string& key) { return store->Delete(key); })
        .status();
  };
  const auto put = [&](bool ours, bool hashes) -> absl::StatusOr<double> {
    EBB_RETURN_IF_ERROR(forget());
    return each([&](const std::string& key) -> absl::Status {
      if (!ours) return curl.Put(key, bytes, hashes);
      return CreateObject(store.get(), key, bytes).status();
    });
  };
  const auto get = [&](bool ours) -> absl::StatusOr<double> {
    return each([&](const std::string& key) -> absl::Status {
      if (ours) {
        EBB_ASSIGN_OR_RETURN(ObjectContent content, store->Get(key, {}));
        got = std::move(content.bytes);
      } else {
        EBB_RETURN_IF_ERROR(curl.Get(key, &got));
      }
      if (got == bytes) return absl::OkStatus();
      return absl::DataLossError(absl::StrCat(key, " has other bytes"));
    });
  };
  std::vector<double> our_puts, puts, hashed_puts, our_gets, gets;
  for (int pair = -1; pair < options.pairs; ++pair) {
    EBB_RETURN_IF_ERROR(
        options.watch.Tell("objects of a bucket", pair, options.pairs));
    for (const bool ours : {pair % 2 == 0, pair % 2 != 0}) {
      EBB_ASSIGN_OR_RETURN(const double put_speed, put(ours, false));
      EBB_ASSIGN_OR_RETURN(const double get_speed, get(ours));
      double hashed_speed = 0;
      if (!ours) {
        EBB_ASSIGN_OR_RETURN(hashed_speed, put(ours, true));
      }
      if (pair < 0) continue;
      if (!ours) hashed_puts.push_back(hashed_speed);
      (ours ? our_puts : puts).push_back(put_speed);
      (ours ? our_gets : gets).push_back(get_speed);
    }
  }
  EBB_RETURN_IF_ERROR(forget());
  const std::string size = absl::StrCat(options.object_bytes >> 20, " MiB");
  return std::vector<Row>{
      MakeRow("put of " + size, "GB/s", our_puts, puts, kOfCurl),
      MakeRow(absl::StrCat("put of ", size, ", beside curl that hashes"),
              "GB/s", our_puts, hashed_puts, std::nullopt),
      MakeRow("get of " + size, "GB/s", our_gets, gets, kOfCurl)};
}

}  // namespace ebb::bench
