// A YAML document as a tree with line numbers. Limits make it safe to read from
// any source: 1 MiB, 16 levels, no aliases, no tags, one document.
#ifndef EBB_JOB_YAML_TREE_H_
#define EBB_JOB_YAML_TREE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "job/base/mistake.h"

namespace ebb::job {

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  std::string text;            // The text of a scalar.
  std::vector<YamlNode> keys;  // The keys of a map; as many as items.
  // The items of a list or map, in the file's order.
  std::vector<YamlNode> items;
  int line = 1;

  bool is_scalar() const { return kind == Kind::kScalar; }
};

inline constexpr size_t kMaxYamlBytes = size_t{1} << 20;
inline constexpr size_t kMaxYamlDepth = 16;

// The right form of a text, for messages about wrong ones.
struct YamlKind {
  absl::string_view name = "job";
  absl::string_view least = "a job has at least the keys model and data";
};

// Says in `mistakes` why there is no tree.
std::optional<YamlNode> ReadYaml(absl::string_view text, absl::string_view file,
                                 std::vector<Mistake>* mistakes,
                                 const YamlKind& kind = {});

}  // namespace ebb::job

#endif  // EBB_JOB_YAML_TREE_H_
