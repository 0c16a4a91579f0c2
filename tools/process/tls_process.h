// Who a daemon is that this process starts.
#ifndef EBB_TOOLS_PROCESS_TLS_PROCESS_H_
#define EBB_TOOLS_PROCESS_TLS_PROCESS_H_

#include "common/tls/tls_settings.h"
#include "tools/process/child_process.h"

namespace ebb::tools {

// It has these files, or none: not those of whoever starts it, which name
// another.
inline void AddTls(const TlsFiles& files, ProcessSpec* spec) {
  spec->environment.insert(
      spec->environment.end(),
      {"EBB_TLS_CERT=" + files.certificate, "EBB_TLS_KEY=" + files.key,
       "EBB_TLS_CA=" + files.authority, "EBB_INSECURE="});
}

}  // namespace ebb::tools

#endif  // EBB_TOOLS_PROCESS_TLS_PROCESS_H_
