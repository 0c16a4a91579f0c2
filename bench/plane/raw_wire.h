// One end of the raw socket's connection (raw_socket.h), in plain text or by
// TLS. Calls block.
#ifndef EBB_BENCH_PLANE_RAW_WIRE_H_
#define EBB_BENCH_PLANE_RAW_WIRE_H_

#include <cstddef>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "common/tls/tls_settings.h"

struct ssl_st;  // OpenSSL's.

namespace ebb::bench {

// The only cipher of raw connections: the first choice of ebb's.
inline constexpr char kRawCipher[] = "TLS_AES_128_GCM_SHA256";

// Thread-compatible.
class RawWire {
 public:
  // Owns the socket, which is connected.
  explicit RawWire(int fd) : fd_(fd) {}
  ~RawWire();
  RawWire(const RawWire&) = delete;
  RawWire& operator=(const RawWire&) = delete;

  // Shakes hands: TLS 1.3 with kRawCipher, and certificates on both sides.
  // InvalidArgument: the files cannot be used. Unavailable: the other side does
  // not agree.
  absl::Status StartTls(const TlsFiles& files, bool server);

  // All of them. False: the connection broke.
  bool ReadAll(std::span<std::byte> bytes);
  bool WriteAll(std::span<const std::byte> bytes);

 private:
  const int fd_;
  std::unique_ptr<ssl_st, void (*)(ssl_st*)> tls_{nullptr, nullptr};
};

}  // namespace ebb::bench

#endif  // EBB_BENCH_PLANE_RAW_WIRE_H_
