// A cloud's word that this machine is about to be taken away, for a worker that
// is to leave before the signal comes, or where none would.
//
//   EBB_ASSIGN_OR_RETURN(const auto question, ParseNoticeUrl("gcp"));
//   const auto source = AskNoticeUrl(question);
//   if (const auto notice = source->Look()) LOG(INFO) << "leaves: " << *notice;
#ifndef EBB_WORKER_PREEMPTION_SOURCE_H_
#define EBB_WORKER_PREEMPTION_SOURCE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace ebb::worker {

// Used by one thread at a time.
class PreemptionSource {
 public:
  virtual ~PreemptionSource() = default;
  // Blocks for as long as a file system, or for a few seconds. Absent:
  // nothing is known of an end. Else where the notice is, and what it says, in
  // printable letters and not too many of them.
  virtual std::optional<std::string> Look() = 0;
};

// There is a notice while the file has something other than white space in it.
// It need not exist.
std::unique_ptr<PreemptionSource> WatchNoticeFile(std::string path);

// How a metadata service is asked, and what of its answer is a notice.
struct NoticeQuestion {
  std::string host;  // An IP address.
  int port = 80;
  std::string path;  // With its query.
  std::vector<std::pair<std::string, std::string>> headers;
  // Words that the body of a status 200 must have; empty: none.
  std::vector<std::string> words;
  // Not empty: the body is Azure's list of events, which covers all machines of
  // a scale set. An event of one of these types is a notice if it names this
  // machine, whose name is at `name_path`. A machine without a name leaves at
  // any of them.
  std::vector<std::string> event_types;
  std::string name_path;
  // Path of the token for the question; empty: none is needed.
  std::string token_path;
};

// `text` is aws, azure or gcp, as these clouds document it, or
// http://ADDRESS[:PORT]/PATH, where any status 200 with a body is a notice.
// InvalidArgument: it is none of these. A name instead of an address is
// refused: looking it up can take longer than there is time to leave.
absl::StatusOr<NoticeQuestion> ParseNoticeUrl(const std::string& text);

// No answer means no notice; the first time it is logged.
std::unique_ptr<PreemptionSource> AskNoticeUrl(NoticeQuestion question);

// The first notice of any of them.
std::optional<std::string> LookAtAll(
    const std::vector<std::unique_ptr<PreemptionSource>>& sources);

}  // namespace ebb::worker

#endif  // EBB_WORKER_PREEMPTION_SOURCE_H_
