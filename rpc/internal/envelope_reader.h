// An envelope (a message that is a oneof of messages) as the variant of structs
// that it stands for:
//
//   const auto read = ReaderOf<SchedulerToServer>(
//       [&](auto* message, auto* to) { return Get(message, records, to); });
//   switch (from.message_case()) {
//     case M::kGrant:
//       return read.As<Grant>(from.mutable_grant());
//     ...
#ifndef EBB_RPC_INTERNAL_ENVELOPE_READER_H_
#define EBB_RPC_INTERNAL_ENVELOPE_READER_H_

#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "common/status_macros.h"

namespace ebb::rpc::internal {

template <typename Variant, typename Getter>
class EnvelopeReader {
 public:
  explicit EnvelopeReader(Getter get) : get_(std::move(get)) {}

  // The variant with the struct of `message`. The getter's errors.
  template <typename Struct, typename Message>
  absl::StatusOr<Variant> As(Message* message) const {
    Variant to(std::in_place_type<Struct>);
    EBB_RETURN_IF_ERROR(get_(message, &std::get<Struct>(to)));
    return to;
  }

 private:
  const Getter get_;
};

// `get` fills a struct from its message: (Message*, Struct*) -> absl::Status.
template <typename Variant, typename Getter>
EnvelopeReader<Variant, Getter> ReaderOf(Getter get) {
  return EnvelopeReader<Variant, Getter>(std::move(get));
}

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_ENVELOPE_READER_H_
