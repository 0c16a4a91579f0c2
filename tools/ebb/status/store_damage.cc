#include "tools/ebb/status/store_damage.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/text/console.h"
#include "tools/text/daemon_names.h"

namespace ebb::tools {

std::string StoreDamageText(const v1::ServerStatus& server) {
  const v1::StoreDamage& damage = server.store_damage();
  std::vector<std::string> parts;
  if (damage.rescues() > 0) {
    parts.push_back(absl::StrCat(
        "its store is damaged: ", damage.found(), "; ",
        Count(damage.versions_kept(), "version"),
        " in it could be read and went on in a new store; the damaged files "
        "are in ",
        damage.set_aside(), " (delete them when you need not look at them)"));
  }
  if (damage.versions_lost() > 0) {
    parts.push_back(
        absl::StrCat(Count(damage.versions_lost(), "stored version"),
                     " could not be used, so copies or older ones stood in: ",
                     damage.last_lost()));
  }
  return absl::StrCat(ServerName(server.server()), ": ",
                      absl::StrJoin(parts, "; "));
}

std::string StoreDamageCostText(const v1::ServerStatus& server) {
  return server.store_damage_cost() == 0
             ? "no example is computed again"
             : absl::StrCat("up to ",
                            Count(server.store_damage_cost(), "example"),
                            server.store_damage_cost() == 1 ? " is" : " are",
                            " computed again");
}

}  // namespace ebb::tools
