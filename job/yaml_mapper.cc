#include "job/yaml_mapper.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "common/nearest.h"
#include "job/base/keys.h"
#include "job/base/values.h"

namespace ebb::job {
namespace {

// An example of a part that is a file, of the user's own file if `node` may be
// one.
std::string OfFile(const std::string& example, const YamlNode& node) {
  if (!node.is_scalar() || !absl::StrContains(node.text, '.')) return example;
  return absl::StrReplaceAll(example, {{"FILE", QuoteShort(node.text)}});
}

// The word of a job file for what other formats, such as YAML 1.1, take for
// true or false; empty: it is neither.
absl::string_view BooleanMeantBy(absl::string_view text) {
  constexpr absl::string_view kTrue[] = {"yes", "y", "on", "1", "true", "t"};
  constexpr absl::string_view kFalse[] = {"no", "n", "off", "0", "false", "f"};
  const std::string word = absl::AsciiStrToLower(text);
  if (std::ranges::count(kTrue, word) > 0) return "true";
  return std::ranges::count(kFalse, word) > 0 ? "false" : "";
}

}  // namespace

void YamlMapper::MapMessage(const YamlNode& node, const std::string& path,
                            Message* message, const std::string& example) {
  const Descriptor& type = *message->GetDescriptor();
  if (const FieldDescriptor* field = ShortForm(type);
      field != nullptr &&
      (node.is_scalar() ||
       (node.kind == YamlNode::Kind::kList && field->is_repeated()))) {
    const size_t before = mistakes_->size();
    MapField(node, *field, Join(path, field->name()), message);
    // Hints are in the short form, too: that is what the user wrote.
    const std::string key = path.substr(path.rfind('.') + 1);
    for (size_t i = before; i < mistakes_->size(); ++i) {
      absl::string_view hint = (*mistakes_)[i].hint;
      if (!absl::ConsumePrefix(&hint, absl::StrCat(field->name(), ": "))) {
        continue;
      }
      (*mistakes_)[i].hint = absl::StrCat(key, ": ", hint);
    }
    return;
  }
  if (node.kind != YamlNode::Kind::kMap) {
    Fail(node.line, path,
         path.empty() ? "the file is no map of keys"
                      : "is no map of keys and values",
         example.empty() ? KeysHint(type) : OfFile(example, node));
    return;
  }
  if (path.empty()) around_.root = &node;
  std::map<std::string, int> seen;  // The keys and their lines.
  for (size_t i = 0; i < node.keys.size(); ++i) {
    if (mistakes_->size() >= kMaxMistakes) return;
    MapEntry(node.keys[i], node.items[i], node, path, message, &seen);
  }
}

void YamlMapper::MapEntry(const YamlNode& key, const YamlNode& value,
                          const YamlNode& map, const std::string& path,
                          Message* message, std::map<std::string, int>* seen) {
  const Descriptor& type = *message->GetDescriptor();
  if (!key.is_scalar()) {
    Fail(key.line, path, "a key is not a word", KeysHint(type));
    return;
  }
  const std::string key_path = Join(path, key.text);
  const auto [first, is_new] = seen->emplace(key.text, key.line);
  if (!is_new) {
    FailTwice(key.line, key_path, first->second);
    return;
  }
  const FieldDescriptor* field = type.FindFieldByName(key.text);
  if (field == nullptr) {
    FailUnknown({key.text, &value, &type, path, &map}, key.line);
    return;
  }
  sources_->Set(key_path, At(key.line));
  if (const auto* oneof = field->real_containing_oneof(); oneof != nullptr) {
    const FieldDescriptor* other =
        message->GetReflection()->GetOneofFieldDescriptor(*message, oneof);
    if (other != nullptr) {
      Fail(key.line, key_path,
           absl::StrCat("cannot stand beside ", other->name()),
           "keep one of the two");
      return;
    }
  }
  MapField(value, *field, key_path, message);
}

std::string YamlMapper::FailUnknown(const UnknownKey& key, int line) {
  const KeyHint hint = HintForKey(key, around_);
  Mistake mistake;
  mistake.place = At(line);
  mistake.path = Join(key.path, absl::Utf8SafeCEscape(key.name.substr(0, 60)));
  mistake.what = key.path.empty() ? "a job has no such key"
                                  : absl::StrCat(key.path, " has no such key");
  mistake.hint = hint.hint;
  if (!hint.guessed) mistake.meant = hint.meant;
  mistakes_->push_back(std::move(mistake));
  return hint.meant;
}

void YamlMapper::MapField(const YamlNode& node, const FieldDescriptor& field,
                          const std::string& path, Message* message) {
  if (node.kind == YamlNode::Kind::kNull) {
    Fail(node.line, path, "has no value", ExampleOf(field));
  } else if (field.is_map()) {
    MapEntries(node, field, path, message);
  } else if (IsMessage(field)) {
    MapMessage(node, path,
               message->GetReflection()->MutableMessage(message, &field),
               KeyOf(field).has_example() ? ExampleOf(field) : "");
  } else if (field.is_repeated()) {
    MapList(node, field, path, message);
  } else if (!node.is_scalar()) {
    Fail(node.line, path, "takes one value, not a list or map",
         ExampleOf(field));
  } else {
    SetScalar(node.text, node.line, field, path, message);
  }
}

void YamlMapper::MapList(const YamlNode& node, const FieldDescriptor& field,
                         const std::string& path, Message* message) {
  if (node.is_scalar() && TakesOneOrMore(field)) {
    SetScalar(node.text, node.line, field, path, message);
    return;
  }
  if (node.kind != YamlNode::Kind::kList || node.items.empty()) {
    Fail(node.line, path,
         node.kind == YamlNode::Kind::kList ? "is an empty list"
                                            : "is not a list",
         ExampleOf(field));
    return;
  }
  for (size_t i = 0; i < node.items.size(); ++i) {
    const YamlNode& item = node.items[i];
    const std::string item_path = absl::StrCat(path, "[", i, "]");
    if (!item.is_scalar()) {
      Fail(item.line, item_path, "is not a single value", ExampleOf(field));
      continue;
    }
    if (item.line != node.line) sources_->Set(item_path, At(item.line));
    SetScalar(item.text, item.line, field, item_path, message);
  }
}

void YamlMapper::MapEntries(const YamlNode& node, const FieldDescriptor& field,
                            const std::string& path, Message* message) {
  if (node.kind != YamlNode::Kind::kMap) {
    Fail(node.line, path, "is no map of keys and values", ExampleOf(field));
    return;
  }
  std::map<std::string, int> seen;
  const bool of_messages = MessageTypeOf(field) != nullptr;
  for (size_t i = 0; i < node.keys.size(); ++i) {
    const YamlNode& key = node.keys[i];
    const YamlNode& value = node.items[i];
    if (!key.is_scalar() || (!of_messages && !value.is_scalar())) {
      Fail(key.line, path, "takes plain keys and values only",
           ExampleOf(field));
      continue;
    }
    const std::string key_path = Join(path, key.text);
    const auto [first, is_new] = seen.emplace(key.text, key.line);
    if (!is_new) {
      FailTwice(key.line, key_path, first->second);
      continue;
    }
    sources_->Set(key_path, At(key.line));
    if (of_messages) {
      MapMessage(value, key_path, MutableEntry(key.text, field, message));
    } else {
      SetFromText(value.text, field, message, key.text);
    }
  }
}

void YamlMapper::SetScalar(absl::string_view text, int line,
                           const FieldDescriptor& field,
                           const std::string& path, Message* message) {
  const std::string wrong = SetFromText(text, field, message);
  if (wrong.empty()) return;
  std::string hint = ExampleOf(field);
  if (field.enum_type() != nullptr) {
    const std::string near = Nearest(text, EnumWords(*field.enum_type()));
    if (!near.empty()) hint = absl::StrCat(field.name(), ": ", near);
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
    const absl::string_view meant = BooleanMeantBy(text);
    if (!meant.empty()) hint = absl::StrCat(field.name(), ": ", meant);
  }
  Fail(line, path, absl::StrCat(QuoteValue(text), " ", wrong), std::move(hint));
}

}  // namespace ebb::job
