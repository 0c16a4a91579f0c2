#include "rpc/network_metrics.h"

#include <cstddef>
#include <string>

#include "absl/time/time.h"
#include "rpc/key_counts.h"
#include "rpc/refusals.h"

namespace ebb::rpc {

void AddNetwork(const Security& security, metrics::OpenMetrics* text) {
  text->Gauge("ebb_network_tls", "1: it speaks TLS; 0: plain text")
      .Add(security.tls() ? 1 : 0);
  auto end = text->Gauge(
      "ebb_network_certificate_end_timestamp_seconds",
      "Until when its certificate is valid, in Unix time; only with TLS");
  if (const auto until = security.CertificateEnd()) {
    end.Add(absl::ToDoubleSeconds(*until - absl::UnixEpoch()));
  }
  auto refusals = text->Counter(
      "ebb_network_refusals",
      "What it refused of what reached it, by why; many: a daemon is wrongly "
      "set up, overloads it, or tries what is not allowed");
  for (size_t i = 0; i < kRefusals; ++i) {
    const auto refusal = static_cast<Refusal>(i);
    refusals.Add(static_cast<double>(security.refusals()->Of(refusal)),
                 {{"reason", std::string(RefusalName(refusal))}});
  }
  const KeyCounts& keys = *security.keys();
  text->Counter("ebb_network_push_keys_bytes",
                "Keys in the pushes that it sent or took, without those that "
                "went through shared memory; few: they are named")
      .Add(static_cast<double>(keys.bytes()));
  text->Counter("ebb_network_push_keys_named_bytes",
                "Keys that these pushes named instead: they came with the pull")
      .Add(static_cast<double>(keys.named_bytes()));
  text->Counter("ebb_network_push_keys_unknown",
                "Pushes that named keys which the server had no longer, and "
                "were sent again; many: it restarts, or has too many workers")
      .Add(static_cast<double>(keys.unknown()));
}

}  // namespace ebb::rpc
