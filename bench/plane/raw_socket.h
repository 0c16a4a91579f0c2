// A worker and a server that exchange only the values' bytes, over one TCP
// connection, of loopback by default: a parameter server over TCP cannot beat
// it by much. The server is a process of its own, as a parameter server is.
//
//   EBB_ASSIGN_OR_RETURN(auto raw, RawSocket::Start());
//   EBB_ASSIGN_OR_RETURN(TransferSample sample,
//                        raw->Run({.bytes = 4 << 20, .operations = 32},
//                                 1 << 20));
#ifndef EBB_BENCH_PLANE_RAW_SOCKET_H_
#define EBB_BENCH_PLANE_RAW_SOCKET_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/common/limits.h"
#include "bench/plane/emulated_link.h"
#include "bench/plane/raw_wire.h"
#include "bench/plane/transfer.h"
#include "common/tls/tls_settings.h"

namespace ebb::bench {

// Thread-compatible.
class RawSocket {
 public:
  // Forks the server: call it before this process has other threads. It ends
  // with this object, or with this process. With files of both sides the
  // connection has TLS (raw_wire.h).
  static absl::StatusOr<std::unique_ptr<RawSocket>> Start(
      const TlsFiles& server = {}, const TlsFiles& worker = {},
      const Place& place = {});
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;
  ~RawSocket();

  // Moves `transfer` in writes of `write_bytes` (a multiple of 4) and reads of
  // as much, with the arithmetic of a push, or of a pull. Checks the values
  // pulled: Internal. Unavailable: the connection broke.
  absl::StatusOr<TransferSample> Run(const Transfer& transfer,
                                     int64_t write_bytes);
  // Seconds that messages of `bytes` take there and a byte back, without any
  // arithmetic.
  absl::StatusOr<std::vector<double>> PingPong(int64_t bytes,
                                               int64_t operations);

 private:
  struct Order;

  RawSocket(int fd, pid_t server) : wire_(fd), server_(server) {}
  absl::Status Begin(const Order& order);
  absl::Status PushAll(const Order& order, std::vector<double>* latencies);
  absl::Status PullAll(const Order& order);
  absl::Status CheckPulled(int64_t bytes, uint32_t sum);

  static void Serve(int fd, const TlsFiles& tls);

  RawWire wire_;
  const pid_t server_;
  // By size: the pushed values, the memory for pulled ones, and the number of
  // pushes.
  struct Model {
    explicit Model(size_t floats) : gradient(floats), pulled(floats) {}
    AlignedFloats gradient;
    AlignedFloats pulled;
    int64_t pushes = 0;
  };
  Model& ModelOf(int64_t bytes);
  std::map<int64_t, std::unique_ptr<Model>> models_;
};

}  // namespace ebb::bench

#endif  // EBB_BENCH_PLANE_RAW_SOCKET_H_
