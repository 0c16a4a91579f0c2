// The TLS identity that this process gives to the daemons it starts.
#ifndef EBB_TOOLS_PROCESS_TLS_PROCESS_H_
#define EBB_TOOLS_PROCESS_TLS_PROCESS_H_

#include "common/tls/tls_settings.h"
#include "tools/process/child_process.h"

namespace ebb::tools {

// Gives it these files, or none. Those of this process would name another
// daemon.
inline void AddTls(const TlsFiles& files, ProcessSpec* spec) {
  spec->environment.insert(
      spec->environment.end(),
      {"EBB_TLS_CERT=" + files.certificate, "EBB_TLS_KEY=" + files.key,
       "EBB_TLS_CA=" + files.authority, "EBB_INSECURE="});
}

}  // namespace ebb::tools

#endif  // EBB_TOOLS_PROCESS_TLS_PROCESS_H_
