#include "data/formats/records/message_type.h"

#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "data/bytes/wrong_data.h"
#include "data/formats/input.h"

namespace ebb::data::internal {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::DescriptorProto;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptorProto;
using google::protobuf::FileDescriptorSet;
using google::protobuf::Message;

// By their names.
using Files = std::map<absl::string_view, const FileDescriptorProto*>;

constexpr absl::string_view kMakeAnew =
    "make it by `protoc --include_imports --descriptor_set_out=FILE`";

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
  made->most_bytes_ = made->MostBytes();
  return made;
}

std::unique_ptr<Message> MessageType::New() const {
  return std::unique_ptr<Message>(factory_.GetPrototype(type_)->New());
}

int64_t MessageType::MostBytes() const {
  constexpr int64_t kLeast = 4096;
  constexpr int64_t kEmptyElement = 2;  // Its bytes.
  constexpr int64_t kPointer = 16;      // To it, with room to grow.
  // The types in messages of the type, each with whether it is within a
  // repeated field. Others are in a message once, however often their bytes
  // are.
  std::vector<std::pair<const Descriptor*, bool>> left = {{type_, false}};
  absl::flat_hash_set<std::pair<const Descriptor*, bool>> seen(left.begin(),
                                                               left.end());
  int64_t largest = 0;
  const auto add = [&](const FieldDescriptor& field, bool repeated) {
    if (field.message_type() == nullptr) return;
    const std::pair next(field.message_type(), repeated || field.is_repeated());
    if (seen.insert(next).second) left.push_back(next);
  };
  while (!left.empty()) {
    const auto [type, repeated] = left.back();
    left.pop_back();
    if (repeated) {
      const auto size =
          static_cast<int64_t>(factory_.GetPrototype(type)->SpaceUsedLong());
      largest = std::max(largest, size + kPointer);
    }
    for (int i = 0; i < type->field_count(); ++i)
      add(*type->field(i), repeated);
    std::vector<const FieldDescriptor*> extensions;
    pool_.FindAllExtensions(type, &extensions);
    for (const FieldDescriptor* field : extensions) add(*field, repeated);
  }
  if (largest == 0) return kMaxExampleBytes;
  return std::clamp(kMaxMessageMemory / largest * kEmptyElement, kLeast,
                    kMaxExampleBytes);
}

}  // namespace ebb::data::internal
