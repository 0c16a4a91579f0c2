#include "tools/ebb/cluster/access_flags.h"

#include <string>

#include "common/program/daemon.h"
#include "common/program/tls_flags.h"

namespace ebb::tools {

void AddAccessFlags(CLI::App* command, ClusterAccess* access) {
  access->scheduler = "127.0.0.1:7000";
  command
      ->add_option("--scheduler", access->scheduler,
                   "HOST:PORT of the scheduler")
      ->envname("EBB_SCHEDULER")
      ->transform(CLI::Validator(
          [access](std::string& text) {
            access->named = true;
            return TakeFlagAddress(&text, /*listens=*/false);
          },
          ""))
      ->capture_default_str();
  AddTlsFlags(command, &access->tls);
  command
      ->add_option(
          "--token-file", access->token_file,
          "File with the token of the job; default: where submit put it")
      ->type_name("FILE")
      ->envname("EBB_TOKEN_FILE")
      ->group("Security");
}

}  // namespace ebb::tools
