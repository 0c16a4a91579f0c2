#include "data/formats/records/message_type.h"

#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "data/internal/wrong_data.h"

namespace ebb::data::internal {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::DescriptorProto;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptorProto;
using google::protobuf::FileDescriptorSet;
using google::protobuf::Message;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// By their names.
using Files = std::map<absl::string_view, const FileDescriptorProto*>;

constexpr absl::string_view kMakeAnew =
    "make it by `protoc --include_imports --descriptor_set_out=FILE`";

// The limit of libprotobuf.
constexpr int kDeepestType = 100;

// libprotobuf goes from a type to those of its fields in calls within calls, in
// the worst case through all types. This many take 5 MiB of the stack.
constexpr int64_t kMostTypes = 10'000;

using Types = google::protobuf::RepeatedPtrField<DescriptorProto>;

// The number of types, with those in them.
int64_t CountOf(const Types& types) {
  int64_t count = types.size();
  for (const DescriptorProto& type : types) {
    count += CountOf(type.nested_type());
  }
  return count;
}

// Keeps the first error.
class FirstError : public DescriptorPool::ErrorCollector {
 public:
  void AddError(const std::string& file, const std::string& element,
                const Message* /*descriptor*/, ErrorLocation /*location*/,
                const std::string& message) override {
    if (text_.empty()) {
      text_ = absl::StrCat(file, ": ", element, ": ", message);
    }
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// Returns whether a file defines this message.
bool Defines(const FileDescriptorProto& file, absl::string_view name) {
  if (!file.package().empty() && (!absl::ConsumePrefix(&name, file.package()) ||
                                  !absl::ConsumePrefix(&name, "."))) {
    return false;
  }
  const auto* types = &file.message_type();
  for (;;) {
    const size_t dot = name.find('.');
    const auto found = std::ranges::find_if(*types, [&](const auto& type) {
      return type.name() == name.substr(0, dot);
    });
    // The entries of maps have types, too, but no user knows of them.
    if (found == types->end() || found->options().map_entry()) return false;
    if (dot == absl::string_view::npos) return true;
    types = &found->nested_type();
    name.remove_prefix(dot + 1);
  }
}

// "it has shop.Click, shop.User and 3 more".
std::string MessagesOf(const FileDescriptorSet& set) {
  constexpr int kMost = 5;
  int count = 0;
  std::string text;
  for (const FileDescriptorProto& file : set.file()) {
    for (const DescriptorProto& type : file.message_type()) {
      if (++count > kMost) continue;
      absl::StrAppend(&text, count == 1 ? "" : ", ", file.package(),
                      file.package().empty() ? "" : ".", type.name());
    }
  }
  if (count == 0) return "it has none";
  if (count > kMost) absl::StrAppend(&text, " and ", count - kMost, " more");
  return absl::StrCat("it has ", text);
}

// Builds a file, and what it imports before.
absl::Status Build(const std::string& path, const Files& files,
                   const FileDescriptorProto& wanted, DescriptorPool* pool) {
  struct Visit {
    const FileDescriptorProto* file;
    int next;  // The import that is looked at next.
  };
  std::vector<Visit> visits = {{&wanted, 0}};
  int64_t types = 0;
  absl::flat_hash_set<absl::string_view> begun;
  begun.insert(wanted.name());
  while (!visits.empty()) {
    Visit& visit = visits.back();
    const FileDescriptorProto& file = *visit.file;
    if (visit.next == file.dependency_size()) {
      types += CountOf(file.message_type());
      if (types > kMostTypes) {
        return WrongData(path, ": ", wanted.name(),
                         " and what it imports have more than ", kMostTypes,
                         " types of messages; define the message in a file "
                         "that imports less");
      }
      FirstError error;
      if (pool->BuildFileCollectingErrors(file, &error) == nullptr) {
        return WrongData(path, ": its descriptors do not fit together: ",
                         error.text(), "; ", kMakeAnew);
      }
      visits.pop_back();
      continue;
    }
    const std::string& import = file.dependency(visit.next++);
    // One that is in the making here imports itself, and the pool says so.
    if (!begun.insert(import).second) continue;
    const auto found = files.find(import);
    if (found == files.end()) {
      return WrongData(path, ": ", file.name(), " imports ", import,
                       ", which is not in it; ", kMakeAnew);
    }
    visits.push_back({found->second, 0});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<MessageType>> MessageType::Create(
    absl::string_view set, const std::string& path, const std::string& name) {
  FileDescriptorSet descriptors;
  // libprotobuf logs each name that is not UTF-8.
  const google::protobuf::LogSilencer silencer;
  if (!descriptors.ParsePartialFromArray(set.data(),
                                         static_cast<int>(set.size())) ||
      descriptors.file().empty()) {
    return WrongData(path, ": is not a set of descriptors; ", kMakeAnew);
  }
  Files files;
  const FileDescriptorProto* wanted = nullptr;
  for (const FileDescriptorProto& file : descriptors.file()) {
    if (!files.emplace(file.name(), &file).second) {
      return WrongData(path, ": has the file ", file.name(), " twice; ",
                       kMakeAnew);
    }
    if (Defines(file, name)) wanted = &file;
  }
  if (wanted == nullptr) {
    return WrongData(path, ": does not define the message ", name, "; ",
                     MessagesOf(descriptors));
  }
  std::unique_ptr<MessageType> made(new MessageType());
  EBB_RETURN_IF_ERROR(Build(path, files, *wanted, &made->pool_));
  made->type_ = made->pool_.FindMessageTypeByName(name);
  if (made->type_ == nullptr) {
    return WrongData(path, ": does not define the message ", name);
  }
  return made;
}

std::unique_ptr<Message> MessageType::New() const {
  return std::unique_ptr<Message>(factory_.GetPrototype(type_)->New());
}

int64_t MessageType::SizeOf(const Descriptor* type) {
  int64_t& size = sizes_[type];
  if (size == 0) {
    size = static_cast<int64_t>(factory_.GetPrototype(type)->SpaceUsedLong());
  }
  return size;
}

const FieldDescriptor* MessageType::FieldOf(const Descriptor* type,
                                            int number) const {
  const FieldDescriptor* const field = type->FindFieldByNumber(number);
  if (field != nullptr || !type->IsExtensionNumber(number)) return field;
  return pool_.FindExtensionByNumber(type, number);
}

// Adds up what the fields of a message take, and goes into the messages in it.
class MessageType::Meter {
 public:
  explicit Meter(MessageType* of) : of_(*of) {}

  // False at bytes that do not parse, and beyond the limit.
  bool Add(CodedInputStream* in, const Descriptor* type, int depth) {
    if (depth > kDeepestType) return false;
    // Unknown groups are kept without a type.
    constexpr int64_t kUnknown = 64;
    memory_ += type == nullptr ? kUnknown : of_.SizeOf(type);
    while (const uint32_t tag = in->ReadTag()) {
      memory_ += kField;
      if (memory_ > kMaxMessageMemory) return false;
      const FieldDescriptor* const field =
          type == nullptr
              ? nullptr
              : of_.FieldOf(type, WireFormatLite::GetTagFieldNumber(tag));
      const Descriptor* const inner =
          field == nullptr ? nullptr : field->message_type();
      uint64_t number;
      uint32_t half;
      switch (WireFormatLite::GetTagWireType(tag)) {
        case WireFormatLite::WIRETYPE_VARINT:
          if (!in->ReadVarint64(&number)) return false;
          break;
        case WireFormatLite::WIRETYPE_FIXED64:
          if (!in->ReadLittleEndian64(&number)) return false;
          break;
        case WireFormatLite::WIRETYPE_FIXED32:
          if (!in->ReadLittleEndian32(&half)) return false;
          break;
        case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
          if (!AddBytes(in, field, inner, depth)) return false;
          break;
        case WireFormatLite::WIRETYPE_START_GROUP:
          if (!Add(in, inner, depth + 1)) return false;
          break;
        case WireFormatLite::WIRETYPE_END_GROUP:
          return true;
        default:
          return false;
      }
    }
    return true;
  }
  int64_t memory() const { return memory_; }

 private:
  // The bytes that a field takes beside its value.
  static constexpr int64_t kField = 24;

  bool AddBytes(CodedInputStream* in, const FieldDescriptor* field,
                const Descriptor* inner, int depth) {
    int size;
    if (!in->ReadVarintSizeAsInt(&size)) return false;
    if (inner != nullptr) {
      const CodedInputStream::Limit limit = in->PushLimit(size);
      const bool good = Add(in, inner, depth + 1);
      in->PopLimit(limit);
      return good;
    }
    // A byte of packed numbers may be a number of eight.
    memory_ += field != nullptr && field->is_packable() ? int64_t{8} * size
                                                        : int64_t{size};
    return memory_ <= kMaxMessageMemory && in->Skip(size);
  }

  MessageType& of_;
  int64_t memory_ = 0;
};

int64_t MessageType::MemoryOf(absl::string_view bytes) {
  google::protobuf::io::ArrayInputStream array(bytes.data(),
                                               static_cast<int>(bytes.size()));
  CodedInputStream in(&array);
  Meter meter(this);
  meter.Add(&in, type_, 0);
  return std::min(meter.memory(), kMaxMessageMemory + 1);
}

}  // namespace ebb::data::internal
