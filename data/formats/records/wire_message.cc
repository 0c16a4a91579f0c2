#include "data/formats/records/wire_message.h"

#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/stubs/common.h>

#include <algorithm>

namespace ebb::data::internal {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;

// Larger messages may take much memory, which libprotobuf's reader bounds.
constexpr size_t kMostBytes = size_t{64} << 10;
// libprotobuf goes twice as deep.
constexpr int kDeepestMessage = 50;
// Tags with this number have two bytes. Longer ones are not read here.
constexpr int kMostNumber = 2047;
constexpr char kZeros[8] = {};

bool TakeVarint(const char** at, const char* end, uint64_t* value) {
  const char* p = *at;
  if (p < end && static_cast<uint8_t>(*p) < 0x80) {
    *value = static_cast<uint8_t>(*p);
    *at = p + 1;
    return true;
  }
  *value = 0;
  // At most ten bytes. Bits beyond 64 are lost, as in libprotobuf.
  for (int shift = 0; shift < 70 && p < end; shift += 7) {
    const auto byte = static_cast<uint8_t>(*p++);
    *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *at = p;
      return true;
    }
  }
  return false;
}

// The bytes after their length, which has at most four.
bool TakeBytes(const char** at, const char* end, absl::string_view* bytes) {
  const char* const begin = *at;
  uint64_t size = 0;
  if (!TakeVarint(at, end, &size) || *at - begin > 4 ||
      size > static_cast<uint64_t>(end - *at)) {
    return false;
  }
  *bytes = absl::string_view(*at, size);
  *at += size;
  return true;
}

// Checks it as libprotobuf does.
bool IsText(absl::string_view bytes) {
  const bool ascii = std::ranges::all_of(
      bytes, [](char c) { return static_cast<uint8_t>(c) < 0x80; });
  return ascii || google::protobuf::internal::IsStructurallyValidUTF8(
                      bytes.data(), static_cast<int>(bytes.size()));
}

bool IsProto3(const FileDescriptor* file) {
  return file->syntax() == FileDescriptor::SYNTAX_PROTO3;
}

}  // namespace

int WireMessage::TypeOf(const Descriptor* descriptor) {
  const auto [known, is_new] =
      shared_.try_emplace(descriptor, static_cast<int>(types_.size()));
  const int number = known->second;
  if (!is_new) return number;
  types_.emplace_back();
  Type type;
  type.descriptor = descriptor;
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor& one = *descriptor->field(i);
    if (one.number() > kMostNumber) continue;
    if (std::ssize(type.fields) <= one.number()) {
      type.fields.resize(static_cast<size_t>(one.number()) + 1);
    }
    Field field;
    field.repeated = one.is_repeated();
    switch (one.type()) {
      case FieldDescriptor::TYPE_INT32:
      case FieldDescriptor::TYPE_INT64:
      case FieldDescriptor::TYPE_UINT32:
      case FieldDescriptor::TYPE_UINT64:
      case FieldDescriptor::TYPE_SINT32:
      case FieldDescriptor::TYPE_SINT64:
      case FieldDescriptor::TYPE_BOOL:
      case FieldDescriptor::TYPE_ENUM:
        field.form = Form::kVarint;
        break;
      case FieldDescriptor::TYPE_FIXED32:
      case FieldDescriptor::TYPE_SFIXED32:
      case FieldDescriptor::TYPE_FLOAT:
        field.form = Form::kFixed32;
        break;
      case FieldDescriptor::TYPE_FIXED64:
      case FieldDescriptor::TYPE_SFIXED64:
      case FieldDescriptor::TYPE_DOUBLE:
        field.form = Form::kFixed64;
        break;
      case FieldDescriptor::TYPE_STRING:
        field.form = IsProto3(one.file()) ? Form::kText : Form::kBytes;
        break;
      case FieldDescriptor::TYPE_BYTES:
        field.form = Form::kBytes;
        break;
      case FieldDescriptor::TYPE_MESSAGE:
        field.form = Form::kMessage;
        field.type = TypeOf(one.message_type());
        break;
      case FieldDescriptor::TYPE_GROUP:
        field.form = Form::kOther;
        break;
    }
    type.fields[static_cast<size_t>(one.number())] = field;
  }
  types_[static_cast<size_t>(number)] = std::move(type);
  return number;
}

bool WireMessage::AddPath(const Path& path, int number) {
  size_t type = 0;
  for (size_t i = 0; i < path.size(); ++i) {
    const FieldDescriptor& step = *path[i];
    if (step.is_map() || step.real_containing_oneof() != nullptr ||
        step.number() > kMostNumber || step.is_extension()) {
      return false;
    }
    const auto at = static_cast<size_t>(step.number());
    if (i + 1 == path.size()) {
      Field& field = types_[type].fields[at];
      if (field.path >= 0) return false;
      field.path = number;
      if (step.enum_type() != nullptr &&
          !(IsProto3(step.file()) && IsProto3(step.enum_type()->file()))) {
        field.closed = step.enum_type();
      }
      types_[type].paths.push_back(number);
      const int bytes = field.form == Form::kFixed32   ? 4
                        : field.form == Form::kFixed64 ? 8
                                                       : 0;
      const bool always = !step.is_repeated() && !step.has_presence();
      defaults_.push_back(always ? bytes : -1);
      return true;
    }
    if (!types_[type].fields[at].own) {
      // What other places have of this type is only checked.
      Type copy = types_[static_cast<size_t>(TypeOf(step.message_type()))];
      const auto made = static_cast<int>(types_.size());
      types_.push_back(std::move(copy));
      Field& field = types_[type].fields[at];
      field.own = true;
      field.type = made;
      types_[type].parts.push_back(made);
    }
    type = static_cast<size_t>(types_[type].fields[at].type);
  }
  return false;
}

std::unique_ptr<WireMessage> WireMessage::Create(const Descriptor& type,
                                                 std::span<const Path> paths) {
  std::unique_ptr<WireMessage> made(new WireMessage());
  made->types_.emplace_back();  // The place of the message.
  Type shared = made->types_[static_cast<size_t>(made->TypeOf(&type))];
  made->types_[0] = std::move(shared);
  for (size_t i = 0; i < paths.size(); ++i) {
    if (!made->AddPath(paths[i], static_cast<int>(i))) return nullptr;
  }
  for (const Type& one : made->types_) {
    if (one.descriptor->options().message_set_wire_format()) return nullptr;
  }
  made->values_.resize(paths.size());
  made->places_.resize(paths.size());
  made->seen_.resize(made->types_.size());
  return made;
}

bool WireMessage::Read(absl::string_view bytes) {
  if (bytes.size() > kMostBytes) return false;
  for (std::vector<WireValue>& values : values_) values.clear();
  return Walk(bytes, 0, 0);
}

bool WireMessage::Walk(absl::string_view bytes, int number, int depth) {
  if (depth > kDeepestMessage) return false;
  const Type& type = types_[static_cast<size_t>(number)];
  for (const int path : type.paths) places_[static_cast<size_t>(path)] = -1;
  for (const int part : type.parts) seen_[static_cast<size_t>(part)] = false;
  static constexpr Field kNone;
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  while (at < end) {
    uint32_t tag = static_cast<uint8_t>(*at++);
    if (tag >= 0x80) {
      if (at == end || static_cast<uint8_t>(*at) >= 0x80) return false;
      tag = (tag & 0x7f) | static_cast<uint32_t>(*at++) << 7;
    }
    const uint32_t which = tag >> 3;
    const Field& field =
        which < type.fields.size() ? type.fields[which] : kNone;
    const bool known = field.form != Form::kUnknown;
    if (!known && (which == 0 || type.descriptor->IsExtensionNumber(
                                     static_cast<int>(which)))) {
      return false;
    }
    WireValue value;
    switch (tag & 7) {
      case 0:
        if (!TakeVarint(&at, end, &value.number)) return false;
        if (known && (field.form != Form::kVarint || !Add(field, value))) {
          return false;
        }
        break;
      case 1:
      case 5: {
        const bool wide = (tag & 7) == 1;
        const size_t size = wide ? 8 : 4;
        if (static_cast<size_t>(end - at) < size) return false;
        value.bytes = absl::string_view(at, size);
        at += size;
        const Form form = wide ? Form::kFixed64 : Form::kFixed32;
        if (known && (field.form != form || !Add(field, value))) return false;
        break;
      }
      case 2:
        if (!TakeBytes(&at, end, &value.bytes)) return false;
        if (known && !AddBytes(field, value.bytes, depth)) return false;
        break;
      default:
        return false;
    }
  }
  for (const int path : type.paths) {
    const auto p = static_cast<size_t>(path);
    if (defaults_[p] >= 0 && places_[p] < 0) {
      values_[p].push_back(
          {0, absl::string_view(kZeros, static_cast<size_t>(defaults_[p]))});
    }
  }
  return true;
}

bool WireMessage::AddBytes(const Field& field, absl::string_view bytes,
                           int depth) {
  switch (field.form) {
    case Form::kText:
      return IsText(bytes) && Add(field, {0, bytes});
    case Form::kBytes:
      return Add(field, {0, bytes});
    case Form::kMessage: {
      const auto part = static_cast<size_t>(field.type);
      if (field.own && !field.repeated) {
        // libprotobuf would merge it with the one before.
        if (seen_[part]) return false;
        seen_[part] = true;
      }
      return Walk(bytes, field.type, depth + 1);
    }
    default:
      return field.repeated && AddPacked(field, bytes);
  }
}

bool WireMessage::AddPacked(const Field& field, absl::string_view bytes) {
  switch (field.form) {
    case Form::kVarint: {
      const char* at = bytes.data();
      const char* const end = at + bytes.size();
      while (at < end) {
        uint64_t number = 0;
        if (!TakeVarint(&at, end, &number) || !Add(field, {number, {}})) {
          return false;
        }
      }
      return true;
    }
    case Form::kFixed32:
      return bytes.size() % 4 == 0 && Add(field, {0, bytes});
    case Form::kFixed64:
      return bytes.size() % 8 == 0 && Add(field, {0, bytes});
    default:
      return false;
  }
}

bool WireMessage::Add(const Field& field, WireValue value) {
  if (field.path < 0) return true;
  if (field.closed != nullptr &&
      field.closed->FindValueByNumber(static_cast<int32_t>(value.number)) ==
          nullptr) {
    return false;
  }
  const auto path = static_cast<size_t>(field.path);
  std::vector<WireValue>& values = values_[path];
  if (field.repeated) {
    values.push_back(value);
  } else if (places_[path] >= 0) {
    values[static_cast<size_t>(places_[path])] = value;
  } else {
    places_[path] = std::ssize(values);
    values.push_back(value);
  }
  return true;
}

}  // namespace ebb::data::internal
