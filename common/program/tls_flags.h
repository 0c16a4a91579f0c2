// --tls-cert, --tls-key, --tls-ca and --insecure, of whatever connects.
#ifndef EBB_COMMON_PROGRAM_TLS_FLAGS_H_
#define EBB_COMMON_PROGRAM_TLS_FLAGS_H_

#include "CLI/CLI.hpp"
#include "common/tls/tls_settings.h"

namespace ebb {

// Adds the flags with their twins in the environment.
void AddTlsFlags(CLI::App* app, TlsSettings* settings);

}  // namespace ebb

#endif  // EBB_COMMON_PROGRAM_TLS_FLAGS_H_
