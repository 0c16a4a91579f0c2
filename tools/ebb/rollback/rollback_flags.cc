#include "tools/ebb/rollback/rollback_flags.h"

namespace ebb::tools {

std::vector<CLI::Option*> AddRollbackTargets(CLI::App* command,
                                             RollbackWish* wish) {
  return {command->add_option("--to", wish->to,
                              "Go back to the versions stored by then: 10m "
                              "(ago), 14:03, or \"2026-01-31 14:03:20\""),
          command
              ->add_option(
                  "--versions-ago", wish->versions_ago,
                  "Go back this many versions before each partition's newest")
              ->check(CLI::NonNegativeNumber),
          command
              ->add_option("--to-round", wish->round,
                           "In rounds: go back to the newest stored round up "
                           "to this one")
              ->check(CLI::NonNegativeNumber)};
}

}  // namespace ebb::tools
