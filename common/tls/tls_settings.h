// The files by which a process proves its identity.
#ifndef EBB_COMMON_TLS_TLS_SETTINGS_H_
#define EBB_COMMON_TLS_TLS_SETTINGS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ebb {

// Files in PEM, all three or none.
struct TlsFiles {
  std::string certificate;  // Its own, with what leads to the authority.
  std::string key;          // The certificate's key.
  // The authority whose certificates it accepts; the file may have several.
  std::string authority;

  bool none() const {
    return certificate.empty() && key.empty() && authority.empty();
  }
};

struct TlsSettings {
  TlsFiles files;
  // Plain text is allowed to other machines, too.
  bool insecure = false;

  // InvalidArgument: one or two of the files, or both TLS and `insecure`.
  absl::Status Validate() const;
};

// Returns whether messages to this address stay on this machine: "localhost:1",
// 127.0.0.0/8, "[::1]:1", "unix:PATH". Other names do not count as local.
bool IsLocalAddress(absl::string_view address);

}  // namespace ebb

#endif  // EBB_COMMON_TLS_TLS_SETTINGS_H_
