#include "job/yaml_maps.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "job/base/keys.h"

namespace ebb::job {

YamlFields YamlMaps::ReadMap(const YamlNode& node, const std::string& path,
                             const std::vector<std::string>& known,
                             const std::string& example) {
  YamlFields fields{path, node.line};
  const std::string keys_hint =
      known.empty() ? example
                    : absl::StrCat("keys: ", absl::StrJoin(known, ", "));
  if (node.kind != YamlNode::Kind::kMap) {
    fields.misspelt = true;
    Fail(node.line, path,
         path.empty() ? "the file is no map of keys"
                      : "is no map of keys and values",
         example.empty() ? keys_hint : example);
    return fields;
  }
  std::map<std::string, int> seen;
  for (size_t i = 0; i < node.keys.size(); ++i) {
    const YamlNode& key = node.keys[i];
    if (!key.is_scalar()) {
      fields.misspelt = true;
      Fail(key.line, path, "a key is not a word", keys_hint);
      continue;
    }
    const auto [first, is_new] = seen.emplace(key.text, key.line);
    if (!known.empty() && std::ranges::count(known, key.text) == 0) {
      fields.misspelt = true;
      const std::string near = Nearest(key.text, known);
      FailUnknown(key, path, near.empty() ? keys_hint : ExampleFor(near));
    } else if (!is_new) {
      Fail(key.line, Join(path, key.text),
           absl::StrCat("is given twice, first in line ", first->second),
           "keep one of the two");
    } else {
      fields.values.emplace(key.text, &node.items[i]);
    }
  }
  return fields;
}

std::optional<std::string> YamlMaps::Text(const YamlFields& fields,
                                          absl::string_view key) {
  const YamlNode* node = fields.Find(key);
  if (node == nullptr) return {};
  if (node->is_scalar()) return node->text;
  Fail(node->line, Join(fields.path, key),
       node->kind == YamlNode::Kind::kNull
           ? "has no value"
           : "takes one value, not a list or map",
       ExampleFor(key));
  return {};
}

}  // namespace ebb::job
