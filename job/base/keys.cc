#include "job/base/keys.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "job/base/values.h"

namespace ebb::job {
namespace {

using google::protobuf::EnumValueDescriptor;
using google::protobuf::Reflection;

// The letters that start all names of an enum's values: that of their zero,
// KIND_UNSPECIFIED, without its last word.
absl::string_view EnumPrefix(const EnumDescriptor& type) {
  absl::string_view zero = type.value(0)->name();
  absl::ConsumeSuffix(&zero, "UNSPECIFIED");
  return zero;
}

bool IsWholeNumber(absl::string_view text) {
  absl::ConsumePrefix(&text, "-");
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

// Describes a text that is not a number of the field's type.
std::string NotWhole(absl::string_view text) {
  if (!IsWholeNumber(text)) return "is not a whole number";
  return absl::StartsWith(text, "-") ? "is negative" : "is too large";
}

std::string SetEnum(absl::string_view text, const FieldDescriptor& field,
                    Message* message) {
  const EnumDescriptor& type = *field.enum_type();
  for (int i = 1; i < type.value_count(); ++i) {
    if (EnumWord(*type.value(i)) == text) {
      message->GetReflection()->SetEnum(message, &field, type.value(i));
      return "";
    }
  }
  return absl::StrCat("is none of ", absl::StrJoin(EnumWords(type), ", "));
}

void SetString(absl::string_view text, const FieldDescriptor& field,
               Message* message, absl::string_view map_key) {
  const Reflection& reflection = *message->GetReflection();
  std::string value(text);
  if (field.is_map()) {
    Message* entry = reflection.AddMessage(message, &field);
    const Descriptor& type = *field.message_type();
    entry->GetReflection()->SetString(entry, type.map_key(),
                                      std::string(map_key));
    entry->GetReflection()->SetString(entry, type.map_value(),
                                      std::move(value));
  } else if (field.is_repeated()) {
    reflection.AddString(message, &field, std::move(value));
  } else {
    reflection.SetString(message, &field, std::move(value));
  }
}

}  // namespace

std::string Join(absl::string_view path, absl::string_view key) {
  return absl::StrCat(path, path.empty() ? "" : ".", key);
}

const v1::Key& KeyOf(const FieldDescriptor& field) {
  return field.options().GetExtension(v1::key);
}

std::string EnumWord(const EnumValueDescriptor& value) {
  absl::string_view name = value.name();
  absl::ConsumePrefix(&name, EnumPrefix(*value.type()));
  return absl::AsciiStrToLower(name);
}

std::string EnumWord(const EnumDescriptor& type, int number) {
  const EnumValueDescriptor* value = type.FindValueByNumber(number);
  return value == nullptr || number == 0 ? "" : EnumWord(*value);
}

std::vector<std::string> EnumWords(const EnumDescriptor& type) {
  std::vector<std::string> words;
  for (int i = 1; i < type.value_count(); ++i) {
    words.push_back(EnumWord(*type.value(i)));
  }
  return words;
}

std::string SetFromText(absl::string_view text, const FieldDescriptor& field,
                        Message* message, absl::string_view map_key) {
  const Reflection& reflection = *message->GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT64: {
      int64_t value = 0;
      if (!IsWholeNumber(text) || !absl::SimpleAtoi(text, &value)) {
        return NotWhole(text);
      }
      field.is_repeated() ? reflection.AddInt64(message, &field, value)
                          : reflection.SetInt64(message, &field, value);
      return "";
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      uint64_t value = 0;
      if (!IsWholeNumber(text) || !absl::SimpleAtoi(text, &value)) {
        return NotWhole(text);
      }
      reflection.SetUInt64(message, &field, value);
      return "";
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      const std::optional<double> value = ParseNumber(text);
      if (!value.has_value()) return "is not a number";
      field.is_repeated() ? reflection.AddDouble(message, &field, *value)
                          : reflection.SetDouble(message, &field, *value);
      return "";
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      if (text != "true" && text != "false") {
        return "is neither true nor false";
      }
      reflection.SetBool(message, &field, text == "true");
      return "";
    case FieldDescriptor::CPPTYPE_ENUM:
      return SetEnum(text, field, message);
    default:  // A string, or a map of strings.
      SetString(text, field, message, map_key);
      return "";
  }
}

std::string TextOf(const Message& message, const FieldDescriptor& field,
                   int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool element = index >= 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(
          element ? reflection.GetRepeatedInt64(message, &field, index)
                  : reflection.GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(reflection.GetUInt64(message, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return NumberText(
          element ? reflection.GetRepeatedDouble(message, &field, index)
                  : reflection.GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumWord(*reflection.GetEnum(message, &field));
    default:
      return element ? reflection.GetRepeatedString(message, &field, index)
                     : reflection.GetString(message, &field);
  }
}

std::map<std::string, std::string> EntriesOf(const Message& message,
                                             const FieldDescriptor& field) {
  std::map<std::string, std::string> entries;
  const Reflection& reflection = *message.GetReflection();
  const Descriptor& type = *field.message_type();
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
    entries[entry.GetReflection()->GetString(entry, type.map_key())] =
        entry.GetReflection()->GetString(entry, type.map_value());
  }
  return entries;
}

const Descriptor* MessageTypeOf(const FieldDescriptor& field) {
  return field.is_map() ? field.message_type()->map_value()->message_type()
                        : field.message_type();
}

Message* MutableEntry(const std::string& name, const FieldDescriptor& field,
                      Message* message) {
  const Reflection& reflection = *message->GetReflection();
  const FieldDescriptor* key = field.message_type()->map_key();
  const FieldDescriptor* value = field.message_type()->map_value();
  for (int i = 0; i < reflection.FieldSize(*message, &field); ++i) {
    Message* entry = reflection.MutableRepeatedMessage(message, &field, i);
    if (entry->GetReflection()->GetString(*entry, key) == name) {
      return entry->GetReflection()->MutableMessage(entry, value);
    }
  }
  Message* entry = reflection.AddMessage(message, &field);
  entry->GetReflection()->SetString(entry, key, name);
  return entry->GetReflection()->MutableMessage(entry, value);
}

std::map<std::string, const Message*> MessagesOf(const Message& message,
                                                 const FieldDescriptor& field) {
  std::map<std::string, const Message*> entries;
  const Reflection& reflection = *message.GetReflection();
  const Descriptor& type = *field.message_type();
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
    const Reflection& of_entry = *entry.GetReflection();
    entries[of_entry.GetString(entry, type.map_key())] =
        &of_entry.GetMessage(entry, type.map_value());
  }
  return entries;
}

bool IsSet(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  return field.is_repeated() ? reflection.FieldSize(message, &field) > 0
                             : reflection.HasField(message, &field);
}

std::string KindOf(const Message& message) {
  const FieldDescriptor* kind =
      message.GetDescriptor()->FindFieldByName("kind");
  if (kind == nullptr || !IsSet(message, *kind)) return "";
  return TextOf(message, *kind, -1);
}

bool BelongsToKind(const Message& message, const FieldDescriptor& field) {
  const auto& kinds = KeyOf(field).kinds();
  if (kinds.empty()) return true;
  return std::find(kinds.begin(), kinds.end(), KindOf(message)) != kinds.end();
}

std::optional<std::string> DefaultOf(const Message& message,
                                     const FieldDescriptor& field) {
  const v1::Key& key = KeyOf(field);
  if (!BelongsToKind(message, field)) return {};
  const auto special = key.default_by_kind().find(KindOf(message));
  if (special != key.default_by_kind().end()) return special->second;
  if (!key.has_default_value()) return {};
  return key.default_value();
}

void FillAnnotatedDefaults(Message* message) {
  const Descriptor& type = *message->GetDescriptor();
  const Reflection& reflection = *message->GetReflection();
  // In the order of declaration: `kind` comes before what depends on it.
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.is_map() && MessageTypeOf(field) != nullptr) {
      for (const auto& [name, entry] : MessagesOf(*message, field)) {
        FillAnnotatedDefaults(MutableEntry(name, field, message));
      }
    }
    if (field.is_repeated()) continue;
    const bool is_message =
        field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (!IsSet(*message, field)) {
      const std::optional<std::string> text = DefaultOf(*message, field);
      if (!text.has_value()) continue;
      // A test reads every default, so there is nothing to report here.
      if (!is_message) SetFromText(*text, field, message);
    }
    if (is_message) {
      FillAnnotatedDefaults(reflection.MutableMessage(message, &field));
    }
  }
}

std::string OutOfRange(const FieldDescriptor& field, double value) {
  const v1::Key& key = KeyOf(field);
  // Models and servers compute with floats.
  constexpr double kLeast = std::numeric_limits<float>::min();
  constexpr double kMost = std::numeric_limits<float>::max();
  if (!std::isfinite(value)) return "must be a finite number";
  if (value != 0 && std::abs(value) < kLeast) {
    return absl::StrCat("must be 0 or at least ", NumberText(kLeast), ", not ",
                        NumberText(value));
  }
  if (std::abs(value) > kMost) {
    return absl::StrCat("must be at most ", NumberText(kMost), ", not ",
                        NumberText(value));
  }
  std::string bound;
  if (key.has_at_least() && value < key.at_least()) {
    bound = absl::StrCat("at least ", NumberText(key.at_least()));
  } else if (key.has_above() && value <= key.above()) {
    bound = absl::StrCat("more than ", NumberText(key.above()));
  } else if (key.has_at_most() && value > key.at_most()) {
    bound = absl::StrCat("at most ", NumberText(key.at_most()));
  } else if (key.has_below() && value >= key.below()) {
    bound = absl::StrCat("less than ", NumberText(key.below()));
  } else if (key.has_below() &&
             field.containing_type() == v1::Optimizer::descriptor() &&
             static_cast<float>(value) >= static_cast<float>(key.below())) {
    bound = absl::StrCat("less than ", NumberText(key.below()),
                         " as a 32-bit float");
  }
  if (bound.empty()) return "";
  return absl::StrCat("must be ", bound, ", not ", NumberText(value));
}

const FieldDescriptor* ShortForm(const Descriptor& type) {
  for (int i = 0; i < type.field_count(); ++i) {
    if (KeyOf(*type.field(i)).short_form()) return type.field(i);
  }
  return nullptr;
}

bool TakesWholeNumber(absl::string_view path) {
  const Descriptor* type = v1::Job::descriptor();
  const FieldDescriptor* field = nullptr;
  bool entry = false;  // The name of an entry of a map comes next.
  for (const absl::string_view name : absl::StrSplit(path, '.')) {
    if (entry) {
      entry = false;
      continue;
    }
    field =
        type == nullptr ? nullptr : type->FindFieldByName(std::string(name));
    if (field == nullptr) return false;
    type = MessageTypeOf(*field);
    entry = field->is_map();
  }
  if (entry || field->is_map()) return false;
  if (type != nullptr) field = ShortForm(*type);
  return field != nullptr && !field->is_repeated() &&
         field->cpp_type() == FieldDescriptor::CPPTYPE_INT64;
}

bool TakesOneOrMore(const FieldDescriptor& field) {
  return field.is_repeated() && KeyOf(field).short_form();
}

std::string ExampleOf(const FieldDescriptor& field) {
  const v1::Key& key = KeyOf(field);
  return absl::StrCat(field.name(), ": ",
                      key.has_example() ? key.example() : key.default_value());
}

}  // namespace ebb::job
