// Which links are how, while several disturbances of the network stand.
#ifndef EBB_TOOLS_CHAOS_LINK_TABLE_H_
#define EBB_TOOLS_CHAOS_LINK_TABLE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "tools/chaos/events.h"
#include "tools/chaos/plan.h"
#include "tools/chaos/shaped_pipe.h"

namespace ebb::chaos {

// True if the link, whose ends may be "all", is one between the two daemons.
bool IsBetween(const Link& link, absl::string_view a, absl::string_view b);

// Thread-compatible.
class LinkTable {
 public:
  // Splits, delays, limits or heals. A later one of the very same link takes
  // the place of the one before; those of other links stand beside it.
  void Apply(const Disturb& disturb);
  // The state between two daemons: split if one entry says so, the longest
  // delay, the lowest limit.
  LinkState StateOf(absl::string_view a, absl::string_view b) const;

 private:
  std::vector<std::pair<Link, LinkState>> standing_;
};

}  // namespace ebb::chaos

#endif  // EBB_TOOLS_CHAOS_LINK_TABLE_H_
