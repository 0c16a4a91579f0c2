// Finds values in the bytes of protobuf messages without objects of
// libprotobuf, which take several times as long.
#ifndef EBB_DATA_FORMATS_RECORDS_WIRE_MESSAGE_H_
#define EBB_DATA_FORMATS_RECORDS_WIRE_MESSAGE_H_

#include <google/protobuf/descriptor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace ebb::data::internal {

// A value as it stands in the bytes: a varint as a number, all others as bytes.
// Those of a packed field of fixed size stand together.
struct WireValue {
  uint64_t number = 0;
  absl::string_view bytes;
};

// Takes only what libprotobuf takes in the same way, and leaves everything
// unusual to it: groups, maps, members of a oneof, extensions, a message in two
// parts, values of another type. Not thread safe.
class WireMessage {
 public:
  using Path = std::vector<const google::protobuf::FieldDescriptor*>;

  // Each path leads from the message to a field with values. Null: some path
  // needs libprotobuf. `type` outlives this.
  static std::unique_ptr<WireMessage> Create(
      const google::protobuf::Descriptor& type, std::span<const Path> paths);

  // Finds the values of all paths. False: libprotobuf must read the message,
  // which may also be wrong.
  bool Read(absl::string_view bytes);
  // The values of a path, in the bytes of the last Read(). A field that always
  // has a value has its default.
  std::span<const WireValue> values(size_t path) const { return values_[path]; }

 private:
  enum class Form : uint8_t {
    kUnknown,  // The message does not have the field.
    kVarint,
    kFixed32,
    kFixed64,
    kBytes,
    kText,  // Must be UTF-8.
    kMessage,
    kOther
  };
  struct Field {
    Form form = Form::kUnknown;
    bool repeated = false;
    bool own = false;  // kMessage: its type is of this place alone.
    int path = -1;     // The path that it ends; -1: it is only checked.
    int type = -1;     // kMessage: its number in types_.
    // Not null: the values that this path may have; others are unknown fields.
    const google::protobuf::EnumDescriptor* closed = nullptr;
  };
  struct Type {
    const google::protobuf::Descriptor* descriptor = nullptr;
    std::vector<Field> fields;  // By their numbers.
    std::vector<int> paths;     // Paths that end here.
    std::vector<int> parts;     // Types of its messages that have paths.
  };

  WireMessage() = default;
  int TypeOf(const google::protobuf::Descriptor* descriptor);
  bool AddPath(const Path& path, int number);
  bool Walk(absl::string_view bytes, int number, int depth);
  bool AddBytes(const Field& field, absl::string_view bytes, int depth);
  bool AddPacked(const Field& field, absl::string_view bytes);
  bool Add(const Field& field, WireValue value);

  std::vector<Type> types_;  // The first is the message's.
  absl::flat_hash_map<const google::protobuf::Descriptor*, int> shared_;
  // By path.
  std::vector<std::vector<WireValue>> values_;
  std::vector<int> defaults_;    // Bytes of the default; -1: it has none.
  std::vector<int64_t> places_;  // The value of a single field; -1: none yet.
  std::vector<bool> seen_;       // By type: whether a part was there.
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_RECORDS_WIRE_MESSAGE_H_
