// Makes the next object of a chain of messages.
#ifndef EBB_FEED_OBJECT_BUILDER_H_
#define EBB_FEED_OBJECT_BUILDER_H_

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/growing/chain_search.h"
#include "data/growing/headers.h"
#include "data/growing/message_decoder.h"
#include "feed/feeder_core.h"
#include "feed/message_queues.h"

namespace ebb::feed {

// A bad message, as it is kept aside: an object of its own.
struct AsideMessage {
  std::string key;    // "aside/clicks[3]/00000000000000081723-5f0c…".
  std::string bytes;  // Says what it is, then has the message.
  std::string text;   // "clicks[3]@81723: label: …". For people.
};

struct BuiltObject {
  ProposedObject object;
  // To be stored before the object.
  std::vector<AsideMessage> aside;
};

// Thread-compatible.
class ObjectBuilder {
 public:
  // `about` and `decoder` outlive it. `writer` is in each object
  // (ObjectHeader::writer).
  ObjectBuilder(const data::growing::About* about,
                const data::growing::MessageDecoder* decoder,
                std::string writer)
      : about_(about), decoder_(decoder), writer_(std::move(writer)) {}

  // Decodes the messages, and makes the object that follows `tail`. Takes fewer
  // of them if an object would be too large. InvalidArgument: a message is bad,
  // and the set says stop; or more than half of the last ones are.
  // FailedPrecondition: offsets are lost, and the set says pause.
  absl::StatusOr<BuiltObject> Build(const data::growing::ChainTail& tail,
                                    const std::vector<TakenPart>& parts,
                                    int64_t now_unix_ms);

  // The object that ends the set.
  absl::StatusOr<ProposedObject> BuildEnd(const data::growing::ChainTail& tail,
                                          int64_t now_unix_ms) const;

 private:
  data::growing::ObjectHeader Begin(const data::growing::ChainTail& tail,
                                    int64_t now_unix_ms) const;
  absl::Status AddPart(const TakenPart& part, BuiltObject* built,
                       data::pack::Window* window);
  // Counts a message among the last ones.
  void Count(bool bad);

  const data::growing::About* const about_;             // Not owned.
  const data::growing::MessageDecoder* const decoder_;  // Not owned.
  const std::string writer_;
  std::deque<bool> last_;  // True for each of the last messages that was bad.
  int64_t bad_ = 0;        // The number of bad ones among them.
};

}  // namespace ebb::feed

#endif  // EBB_FEED_OBJECT_BUILDER_H_
