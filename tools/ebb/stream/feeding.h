// The part that `ebb stream follow` and `ebb stream put` share.
#ifndef EBB_TOOLS_EBB_STREAM_FEEDING_H_
#define EBB_TOOLS_EBB_STREAM_FEEDING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/time/time.h"
#include "feed/message_source.h"

namespace ebb::tools {

struct FeedingFlags {
  std::string place;
  std::string format;
  std::vector<std::string> set;
  std::string on_bad;
  std::string on_lost;
  absl::Duration interval = absl::Milliseconds(500);
  int64_t sample = 1000;
  bool end = false;
  bool json = false;
  bool quiet = false;
};

// All but the place and --end.
void AddFeedingFlags(CLI::App* command, FeedingFlags* flags);

// Feeds the set until the source ends, or the process is interrupted: then it
// stores what it has read. Returns the exit code, and prints what was done.
int FeedSet(const FeedingFlags& flags, feed::MessageSource* source);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STREAM_FEEDING_H_
