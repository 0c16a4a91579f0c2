#include "rpc/internal/grpc_setup.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include "rpc/call_failure.h"
#include "rpc/internal/grpc_security.h"

namespace ebb::rpc::internal {

namespace {

// The one place where connections get their credentials.
std::shared_ptr<grpc::ChannelCredentials> ClientCredentials(
    const std::string& address, const Security* security, Role role) {
  if (security != nullptr && security->tls()) {
    return security->grpc()->ToRole(role);
  }
  // A name may be of this machine, too. The connection to another machine ends
  // before a byte is sent.
  if (MustStayLocal(security) && !IsLocalAddress(address)) {
    return grpc::experimental::LocalCredentials(LOCAL_TCP);
  }
  return grpc::InsecureChannelCredentials();
}
std::shared_ptr<grpc::ServerCredentials> ServerCredentials(
    const Security* security) {
  return security != nullptr && security->tls()
             ? security->grpc()->Server()
             : grpc::InsecureServerCredentials();
}

// A present peer takes a few round trips for it.
constexpr absl::Duration kHandshakeLimit = absl::Seconds(10);
// A worker has some tens of calls under way to one server.
constexpr int kStreamsPerConnection = 1024;

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(
      std::min<int64_t>(absl::ToInt64Milliseconds(duration), INT32_MAX));
}

}  // namespace

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           const TransportOptions& options,
                                           const Security* security,
                                           Role role) {
  grpc::ChannelArguments args;
  args.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  args.SetMaxSendMessageSize(static_cast<int>(options.max_message_bytes));
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options.keepalive_time));
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
              Milliseconds(options.keepalive_timeout));
  args.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // No limit.
  // Also the time that one attempt to connect may take.
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
              Milliseconds(options.connect_timeout));
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  // A name whose address changed (a restarted pod) is looked up again soon, not
  // after half a minute; and a name server that is silent is given up.
  args.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 1000);
  args.SetInt(GRPC_ARG_DNS_ARES_QUERY_TIMEOUT_MS, 5000);
  // A peer that came back is found by a new channel at once, not after the
  // back-off of an old one; and pulls of one do not queue behind the pushes of
  // another.
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // The protocol itself retries.
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // Daemons of a cluster reach each other directly.
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(
      address, ClientCredentials(address, security, role), args);
}

void SetUpServer(const std::string& address, const TransportOptions& options,
                 const Security* security, grpc::ServerBuilder* builder,
                 int* port) {
  builder->AddListeningPort(address, ServerCredentials(security), port);
  builder->SetMaxReceiveMessageSize(
      static_cast<int>(options.max_message_bytes));
  builder->SetMaxSendMessageSize(static_cast<int>(options.max_message_bytes));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS,
                              Milliseconds(options.keepalive_time));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                              Milliseconds(options.keepalive_timeout));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Accepts every peer's own keepalive.
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  // A peer that connects and stays silent is dropped.
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                              Milliseconds(kHandshakeLimit));
  // The most that one connection asks for at once; more waits at its side.
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                              kStreamsPerConnection);
  // Two daemons at one address are a mistake.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

absl::Status NamePlainText(const absl::Status& status,
                           absl::string_view address) {
  return !status.ok() && FailureOf(status).cause == CallCause::kPlain
             ? NotInPlainText("speaking to", address)
             : status;
}

}  // namespace ebb::rpc::internal
