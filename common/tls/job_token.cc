#include "common/tls/job_token.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/fd.h"
#include "common/tls/sha256.h"
#include "glog/logging.h"

namespace ebb {

namespace {

constexpr size_t kLeastCharacters = 32;
constexpr size_t kMostCharacters = 256;
constexpr size_t kMostFileBytes = 4096;
// So that no other use of a key gives the same.
constexpr absl::string_view kWorkerTokens = "ebb worker token 1";

std::string RandomBytes() {
  std::string bytes(kTokenBytes, '\0');
  CHECK_EQ(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()),
                      static_cast<int>(bytes.size())),
           1)
      << "OpenSSL has no random bytes";
  return bytes;
}

void AppendNumber(uint64_t number, std::string* to) {
  for (int shift = 0; shift < 64; shift += 8) {
    to->push_back(static_cast<char>(number >> shift));
  }
}

absl::Status Fails(absl::string_view what, const std::string& path, int error) {
  const std::string message = absl::StrCat(
      "the token file ", path, " cannot be ", what, ": ", std::strerror(error));
  if (error == ENOENT) return absl::NotFoundError(message);
  if (error == EEXIST) return absl::AlreadyExistsError(message);
  return absl::InvalidArgumentError(message);
}

}  // namespace

std::string NewJobToken() {
  std::string token = absl::WebSafeBase64Escape(RandomBytes());
  while (absl::EndsWith(token, "=")) token.pop_back();
  return token;
}

std::string JobTokenHash(absl::string_view token) {
  std::string hash = Sha256(token);
  CHECK_EQ(hash.size(), kTokenBytes);
  return hash;
}

std::string NewTokenKey() { return RandomBytes(); }

std::string WorkerToken(absl::string_view key, JobId job, SessionId worker) {
  std::string message(kWorkerTokens);
  AppendNumber(job.value(), &message);
  AppendNumber(worker.value(), &message);
  std::string token(kTokenBytes, '\0');
  unsigned int bytes = 0;
  CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(message.data()),
             message.size(), reinterpret_cast<unsigned char*>(token.data()),
             &bytes) != nullptr);
  CHECK_EQ(bytes, kTokenBytes);
  return token;
}

bool SameSecret(absl::string_view a, absl::string_view b) {
  return a.size() == b.size() &&
         CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

absl::StatusOr<std::string> ReadJobToken(const std::string& path) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return Fails("read", path, errno);
  std::array<char, kMostFileBytes> buffer;
  size_t size = 0;
  while (size < buffer.size()) {
    const ssize_t got =
        read(file.get(), buffer.data() + size, buffer.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Fails("read", path, errno);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  const absl::string_view token =
      absl::StripAsciiWhitespace(absl::string_view(buffer.data(), size));
  if (size == buffer.size() || token.size() < kLeastCharacters ||
      token.size() > kMostCharacters ||
      !std::all_of(token.begin(), token.end(),
                   [](char c) { return absl::ascii_isgraph(c); })) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the token file ", path, " holds no token: one line of ",
        kLeastCharacters, " to ", kMostCharacters,
        " printable characters without spaces; `ebb submit` writes such"));
  }
  return std::string(token);
}

absl::Status WriteJobToken(const std::string& path, absl::string_view token) {
  const Fd file(
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) {
    const absl::Status status = Fails("written", path, errno);
    return absl::IsNotFound(status)
               ? absl::InvalidArgumentError(status.message())
               : status;
  }
  const std::string line = absl::StrCat(token, "\n");
  size_t written = 0;
  while (written < line.size()) {
    const ssize_t put =
        write(file.get(), line.data() + written, line.size() - written);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      const int error = errno;
      unlink(path.c_str());
      return Fails("written", path, error);
    }
    written += static_cast<size_t>(put);
  }
  // Without it the job cannot be reached.
  if (fsync(file.get()) != 0 && errno != EINVAL) {
    return Fails("written", path, errno);
  }
  return absl::OkStatus();
}

}  // namespace ebb
