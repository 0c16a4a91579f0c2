// A type of protobuf messages that a file of descriptors defines.
#ifndef EBB_DATA_FORMATS_RECORDS_MESSAGE_TYPE_H_
#define EBB_DATA_FORMATS_RECORDS_MESSAGE_TYPE_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/message.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb::data::internal {

// The most memory for a message. A few bytes may stand for a large one: an
// empty message in it takes two.
inline constexpr int64_t kMaxMessageMemory = int64_t{256} << 20;

// Not thread safe. It outlives its messages.
class MessageType {
 public:
  // `set` is the content of the file `path`: a FileDescriptorSet, as `protoc
  // --descriptor_set_out` writes it. kInvalidArgument: it is none, it lacks an
  // import, or it does not define the message `name`.
  static absl::StatusOr<std::unique_ptr<MessageType>> Create(
      absl::string_view set, const std::string& path, const std::string& name);

  const google::protobuf::Descriptor& descriptor() const { return *type_; }
  std::unique_ptr<google::protobuf::Message> New() const;

  // About what a message of these bytes takes in memory, or
  // kMaxMessageMemory + 1 if it takes more than that.
  int64_t MemoryOf(absl::string_view bytes);

 private:
  class Meter;

  MessageType() = default;
  int64_t SizeOf(const google::protobuf::Descriptor* type);
  // The field, or extension, of a type with this number; null: it has none.
  const google::protobuf::FieldDescriptor* FieldOf(
      const google::protobuf::Descriptor* type, int number) const;

  // The factory outlives its messages, and the pool the factory.
  google::protobuf::DescriptorPool pool_;
  mutable google::protobuf::DynamicMessageFactory factory_{&pool_};
  const google::protobuf::Descriptor* type_ = nullptr;
  // The bytes of an empty message.
  absl::flat_hash_map<const google::protobuf::Descriptor*, int64_t> sizes_;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_RECORDS_MESSAGE_TYPE_H_
