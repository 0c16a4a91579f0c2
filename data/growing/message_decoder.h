// Makes the examples of messages: each is one line of a text format.
#ifndef EBB_DATA_GROWING_MESSAGE_DECODER_H_
#define EBB_DATA_GROWING_MESSAGE_DECODER_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/growing/headers.h"
#include "data/pack/window.h"
#include "data/source.h"

namespace ebb::data::growing {

// The outcome of one message.
struct DecodedMessage {
  enum class Outcome { kExample, kNone, kBad };
  Outcome outcome = Outcome::kExample;
  std::string reason;  // Why it is bad. Names no place.
};

// Returns whether messages of this format can be decoded one by one.
bool IsMessageFormat(SourceKind kind);

// Decodes by the readers of data/formats. Thread-compatible.
class MessageDecoder {
 public:
  // `spec` has no path and no split; it is the one of the set.
  MessageDecoder(SourceSpec spec, const About& about);

  // Adds the examples of messages to `window`, in their order, and returns what
  // became of each. The work is done in batches; a batch with a bad message is
  // halved until the message is known, so n messages with b bad ones are read
  // about b * log2(n) times. Errors: the format itself is wrong, not a message.
  absl::StatusOr<std::vector<DecodedMessage>> Decode(
      std::span<const absl::string_view> messages, pack::Window* window) const;

 private:
  // A batch that was read.
  struct Batch {
    // Absent: the batch is to be halved, or it is one bad message.
    bool whole = false;
    std::string problem;
    pack::Window window;
  };

  Batch ReadBatch(std::span<const absl::string_view> messages) const;
  void DecodeRange(std::span<const absl::string_view> messages,
                   std::span<DecodedMessage> outcomes,
                   pack::Window* window) const;
  // Says why an example does not fit the set; empty: it fits.
  std::string Misfit(const Example& example) const;

  const SourceSpec spec_;
  const Encoding encoding_;
  const pack::WindowSchema schema_;
  const std::string header_line_;
};

}  // namespace ebb::data::growing

#endif  // EBB_DATA_GROWING_MESSAGE_DECODER_H_
