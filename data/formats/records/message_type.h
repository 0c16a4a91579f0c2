// A type of protobuf messages that a file of descriptors defines.
#ifndef EBB_DATA_FORMATS_RECORDS_MESSAGE_TYPE_H_
#define EBB_DATA_FORMATS_RECORDS_MESSAGE_TYPE_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/message.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb::data::internal {

// The most memory that a message takes, but for types of thousands of fields.
inline constexpr int64_t kMaxMessageMemory = int64_t{512} << 20;

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
  // The most bytes of a message: kMaxExampleBytes, or fewer if such a message
  // could take more than kMaxMessageMemory. An element of a repeated field
  // takes two bytes if it is empty, and each of its own fields takes memory
  // then.
  int64_t most_bytes() const { return most_bytes_; }

 private:
  MessageType() = default;
  int64_t MostBytes() const;

  // The factory outlives its messages, and the pool the factory.
  google::protobuf::DescriptorPool pool_;
  mutable google::protobuf::DynamicMessageFactory factory_{&pool_};
  const google::protobuf::Descriptor* type_ = nullptr;
  int64_t most_bytes_ = 0;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_RECORDS_MESSAGE_TYPE_H_
