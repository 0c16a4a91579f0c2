#include "job/overrides.h"

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/utf8.h"
#include "job/base/keys.h"
#include "job/base/values.h"
#include "job/yaml_mapper.h"
#include "job/yaml_tree.h"

namespace ebb::job {
namespace {

class Overrider {
 public:
  explicit Overrider(JobFile* file)
      : file_(file),
        mapper_(std::string(YamlMapper::kSet), &file->sources,
                &file->mistakes) {
    mapper_.set_job(&file->job);
  }

  // "path=value".
  void Apply(absl::string_view text) {
    const size_t equals = text.find('=');
    if (equals == absl::string_view::npos || equals == 0) {
      mapper_.Fail(0, "", absl::StrCat(QuoteValue(text), " is not KEY=VALUE"),
                   "--set train.epochs=3");
      return;
    }
    const absl::string_view value = text.substr(equals + 1);
    if (!IsUtf8(text)) {
      mapper_.Fail(0, "", "the override is not UTF-8 text", "");
      return;
    }
    const std::vector<std::string> keys =
        absl::StrSplit(text.substr(0, equals), '.');
    // First the whole path, so that nothing is made for a wrong one.
    Steps steps;
    const Descriptor* type = v1::Job::descriptor();
    std::string path;
    for (size_t i = 0; i < keys.size(); ++i) {
      const FieldDescriptor* field =
          type == nullptr ? nullptr : type->FindFieldByName(keys[i]);
      if (field == nullptr) {
        HintWhole(Unknown(keys[i], value, type, path, steps),
                  {keys.begin() + static_cast<ptrdiff_t>(i) + 1, keys.end()},
                  value);
        return;
      }
      steps.push_back({field, ""});
      path = Join(path, keys[i]);
      type = MessageTypeOf(*field);
      if (field->is_map() && i + 1 < keys.size()) {
        steps.back().entry = keys[++i];
        path = Join(path, keys[i]);
        if (keys[i].empty()) {
          mapper_.Fail(0, path, "is empty", ExampleOf(*field));
          return;
        }
      }
    }
    Set(steps, path, value);
  }

 private:
  // From a message to one below it, or to a key.
  struct Step {
    const FieldDescriptor* field;
    std::string entry;  // For a map.
  };
  using Steps = std::vector<Step>;

  static bool IsThere(const Message& message, const Step& step) {
    return step.field->is_map()
               ? MessagesOf(message, *step.field).contains(step.entry)
               : IsSet(message, *step.field);
  }

  // Hints at the key that is `meant`, if any, with the keys below it.
  void HintWhole(const std::string& meant,
                 const std::vector<std::string>& below,
                 absl::string_view value) {
    if (file_->mistakes.empty() || meant.empty()) return;
    Mistake& mistake = file_->mistakes.back();
    constexpr size_t kLongest = 60;
    mistake.hint = absl::StrCat(
        "--set ", meant, below.empty() ? "" : ".", absl::StrJoin(below, "."),
        "=", value.size() <= kLongest ? absl::Utf8SafeCEscape(value) : "…");
  }
  // Returns the path of the key that is probably meant; empty: none.
  std::string Unknown(const std::string& key, absl::string_view value,
                      const Descriptor* type, const std::string& path,
                      const Steps& steps) {
    if (type == nullptr) {
      mapper_.Fail(0, path, "has no keys of its own",
                   ExampleOf(*steps.back().field));
      return "";
    }
    YamlNode node;
    node.kind = YamlNode::Kind::kScalar;
    node.text = std::string(value);
    return mapper_.FailUnknown({key, &node, type, path}, 0);
  }

  void Set(const Steps& steps, const std::string& path,
           absl::string_view value) {
    Message* message = &file_->job;
    std::string above;
    for (size_t i = 0; i + 1 < steps.size(); ++i) {
      const FieldDescriptor* field = steps[i].field;
      above = Join(above, field->name());
      if (field->is_map()) above = Join(above, steps[i].entry);
      if (!IsThere(*message, steps[i])) {
        file_->sources.Set(above, {std::string(YamlMapper::kSet), 0});
      }
      message = field->is_map()
                    ? MutableEntry(steps[i].entry, *field, message)
                    : message->GetReflection()->MutableMessage(message, field);
    }
    const FieldDescriptor& field = *steps.back().field;
    const std::string& entry = steps.back().entry;
    file_->sources.Forget(path);
    file_->sources.Set(path, {std::string(YamlMapper::kSet), 0});
    if (!entry.empty() && MessageTypeOf(field) != nullptr && !value.empty()) {
      Message* of_entry = MutableEntry(entry, field, message);
      of_entry->Clear();
      std::vector<Mistake> mistakes;
      const auto node = ReadYaml(value, YamlMapper::kSet, &mistakes);
      if (node.has_value()) mapper_.MapMessage(*node, path, of_entry);
      for (const Mistake& m : mistakes) mapper_.Fail(0, path, m.what, m.hint);
      return;
    }
    if (!entry.empty() && MessageTypeOf(field) == nullptr) {
      SetFromText(value, field, message, entry);  // The later entry counts.
      return;
    }
    message->GetReflection()->ClearField(message, &field);
    if (value.empty()) {
      mapper_.Fail(0, path, "has no value", ExampleOf(field));
    } else if (TakesOneOrMore(field) && !absl::StartsWith(value, "[")) {
      mapper_.SetScalar(value, 0, field, path, message);
    } else if (field.is_repeated() || IsMessage(field)) {
      // Lists and maps are YAML; plain values are taken as they stand.
      std::vector<Mistake> mistakes;
      const auto node = ReadYaml(value, YamlMapper::kSet, &mistakes);
      if (node.has_value()) mapper_.MapField(*node, field, path, message);
      for (const Mistake& m : mistakes) mapper_.Fail(0, path, m.what, m.hint);
    } else {
      mapper_.SetScalar(value, 0, field, path, message);
    }
  }

  JobFile* file_;
  YamlMapper mapper_;
};

}  // namespace

void ApplyOverrides(const std::vector<std::string>& overrides, JobFile* file) {
  Overrider overrider(file);
  for (const std::string& text : overrides) overrider.Apply(text);
}

}  // namespace ebb::job
