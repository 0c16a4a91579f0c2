#include "rpc/transport.h"

#include "absl/strings/str_cat.h"

namespace ebb::rpc {

absl::Status TransportOptions::Validate() const {
  const auto invalid = [](auto&&... parts) {
    return absl::InvalidArgumentError(absl::StrCat("transport: ", parts...));
  };
  constexpr int64_t kMaxMessage = (int64_t{1} << 31) - 1;
  if (max_message_bytes < 4096 || max_message_bytes > kMaxMessage) {
    return invalid("max_message_bytes is ", max_message_bytes, ", 4096 to ",
                   kMaxMessage, " possible");
  }
  if (max_assembled_bytes < 4096) {
    return invalid("max_assembled_bytes is ", max_assembled_bytes,
                   ", at least 4096");
  }
  if (keepalive_time < absl::Milliseconds(10) ||
      keepalive_timeout < absl::Milliseconds(10) ||
      connect_timeout < absl::Milliseconds(10)) {
    return invalid("keepalive_time, keepalive_timeout and connect_timeout are ",
                   absl::FormatDuration(keepalive_time), ", ",
                   absl::FormatDuration(keepalive_timeout), " and ",
                   absl::FormatDuration(connect_timeout),
                   ", each at least 10ms");
  }
  if (session_queue_messages < 1 || max_calls < 1) {
    return invalid("session_queue_messages is ", session_queue_messages,
                   " and max_calls ", max_calls, ", each at least 1");
  }
  if (shutdown_grace < absl::ZeroDuration()) {
    return invalid("shutdown_grace is ", absl::FormatDuration(shutdown_grace));
  }
  if (bulk_port < 0 || bulk_port > 65535) {
    return invalid("bulk_port is ", bulk_port, ", 0 to 65535 possible");
  }
  if (bulk_streams < 1 || bulk_streams > kMostBulkStreams) {
    return invalid("bulk_streams is ", bulk_streams, ", 1 to ",
                   kMostBulkStreams, " possible");
  }
  if (admin_threads < 1 || admin_queue < 1) {
    return invalid("admin_threads is ", admin_threads, " and admin_queue ",
                   admin_queue, ", each at least 1");
  }
  return absl::OkStatus();
}

}  // namespace ebb::rpc
