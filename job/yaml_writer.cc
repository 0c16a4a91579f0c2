// JobToYaml of yaml.h.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/yaml_text.h"
#include "job/base/keys.h"
#include "job/validate.h"
#include "job/yaml.h"
#include "job/yaml_tree.h"

namespace ebb::job {
namespace {

std::string Flow(const Message& message);

// The value of a set field on one line.
std::string FlowValue(const Message& message, const FieldDescriptor& field) {
  if (field.is_map() && MessageTypeOf(field) != nullptr) {
    std::vector<std::string> entries;
    for (const auto& [name, entry] : MessagesOf(message, field)) {
      entries.push_back(absl::StrCat(QuoteYaml(name), ": ", Flow(*entry)));
    }
    return absl::StrCat("{", absl::StrJoin(entries, ", "), "}");
  }
  if (field.is_map()) {
    return absl::StrCat("{",
                        absl::StrJoin(EntriesOf(message, field), ", ",
                                      [](std::string* out, const auto& entry) {
                                        absl::StrAppend(
                                            out, QuoteYaml(entry.first), ": ",
                                            QuoteYaml(entry.second));
                                      }),
                        "}");
  }
  if (field.is_repeated()) {
    std::vector<std::string> items;
    const int size = message.GetReflection()->FieldSize(message, &field);
    if (size == 1 && TakesOneOrMore(field)) {
      return QuoteYaml(TextOf(message, field, 0));
    }
    for (int i = 0; i < size; ++i) {
      items.push_back(QuoteYaml(TextOf(message, field, i)));
    }
    return absl::StrCat("[", absl::StrJoin(items, ", "), "]");
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    return Flow(message.GetReflection()->GetMessage(message, &field));
  }
  return QuoteYaml(TextOf(message, field, -1));
}

// {key: value, …}, or the short form where it says as much.
std::string Flow(const Message& message) {
  const Descriptor& type = *message.GetDescriptor();
  std::vector<const FieldDescriptor*> set;
  message.GetReflection()->ListFields(message, &set);
  if (set.size() == 1 && set[0] == ShortForm(type)) {
    return FlowValue(message, *set[0]);
  }
  std::vector<std::string> entries;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (!IsSet(message, field)) continue;
    entries.push_back(
        absl::StrCat(field.name(), ": ", FlowValue(message, field)));
  }
  return absl::StrCat("{", absl::StrJoin(entries, ", "), "}");
}

// A line for each key, with its word. Keys that may be given but have no
// default appear as comments.
class Explainer {
 public:
  explicit Explainer(const std::vector<Choice>& choices) {
    for (const Choice& choice : choices) reasons_[choice.key] = choice.reason;
  }

  std::string Explain(const Message& message) {
    Block(message, "", 0);
    return std::move(out_);
  }

 private:
  // `path` is that of the message.
  void Block(const Message& message, const std::string& path, int indent) {
    const Descriptor& type = *message.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      const std::string key = Join(path, std::string(field.name()));
      if (!IsSet(message, field)) {
        if (CouldBeSet(message, field)) {
          Line(absl::StrCat("# ", field.name(), ":"), field, key, indent);
        }
        continue;
      }
      const bool is_block =
          field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
          !field.is_map();
      if (!is_block) {
        Line(absl::StrCat(field.name(), ": ", FlowValue(message, field)), field,
             key, indent);
        continue;
      }
      const Message& child =
          message.GetReflection()->GetMessage(message, &field);
      const std::string flow = Flow(child);
      Line(absl::StrCat(field.name(), flow == "{}" ? ": {}" : ":"), field, key,
           indent);
      Block(child, key, indent + 2);
    }
  }

  static bool CouldBeSet(const Message& message, const FieldDescriptor& field) {
    const auto* oneof = field.real_containing_oneof();
    return BelongsToKind(message, field) &&
           (oneof == nullptr ||
            !message.GetReflection()->HasOneof(message, oneof));
  }

  void Line(const std::string& text, const FieldDescriptor& field,
            const std::string& key, int indent) {
    constexpr int kWordsColumn = 34;
    const auto reason = reasons_.find(key);
    const std::string chosen = reason == reasons_.end()
                                   ? ""
                                   : absl::StrCat(". Chosen: ", reason->second);
    const std::string left = absl::StrCat(std::string(indent, ' '), text);
    absl::StrAppendFormat(&out_, "%-*s  # %s%s\n", kWordsColumn - 2, left,
                          words_.Find(field), chosen);
  }

  KeyWords words_;
  std::map<std::string, std::string> reasons_;
  std::string out_;
};

}  // namespace

std::string JobToYaml(const v1::Job& job, YamlStyle style,
                      const std::vector<Choice>& choices) {
  if (style == YamlStyle::kExplained) {
    v1::Job full = job;
    FillDefaults(&full);
    return Explainer(choices).Explain(full);
  }
  std::string out;
  const Descriptor& type = *job.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (!IsSet(job, field)) continue;
    absl::StrAppend(&out, field.name(), ": ", FlowValue(job, field), "\n");
  }
  return out.empty() ? "{}\n" : out;
}

}  // namespace ebb::job
