// Reads maps of a YAML tree, and collects what is wrong with them: in sweeps
// and in scenarios of `ebb chaos`.
#ifndef EBB_JOB_YAML_MAPS_H_
#define EBB_JOB_YAML_MAPS_H_

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "job/base/mistake.h"
#include "job/yaml_tree.h"

namespace ebb::job {

// One map of a file: its values by key. Not owned: the tree.
struct YamlFields {
  std::string path;
  int line = 1;
  std::map<std::string, const YamlNode*> values;
  bool misspelt = false;  // It has unknown keys, or another kind of value.

  const YamlNode* Find(absl::string_view key) const {
    const auto it = values.find(std::string(key));
    return it == values.end() ? nullptr : it->second;
  }
};

// A reader of one kind of file derives from it. Not thread-safe.
class YamlMaps {
 protected:
  // `file` is its name. Neither is owned.
  YamlMaps(absl::string_view file, std::vector<Mistake>* mistakes)
      : name_(file), mistakes_(*mistakes) {}
  ~YamlMaps() = default;

  absl::string_view file_name() const { return name_; }
  // "servers: 2": what hints show for a key.
  virtual std::string ExampleFor(absl::string_view key) const = 0;
  // Tells that the map at `path` has no such key.
  virtual void FailUnknown(const YamlNode& key, const std::string& path,
                           std::string hint) = 0;

  // Adds a mistake, up to kMaxMistakes.
  void Fail(int line, const std::string& path, std::string what,
            std::string hint) {
    if (mistakes_.size() >= kMaxMistakes) return;
    mistakes_.push_back(
        {{std::string(name_), line}, path, std::move(what), std::move(hint)});
  }

  // `known` has the keys that the map may have; empty: any. `example` is the
  // hint for a value of another kind; empty: the keys are.
  YamlFields ReadMap(const YamlNode& node, const std::string& path,
                     const std::vector<std::string>& known,
                     const std::string& example);
  // The text of a key that is there and has one.
  std::optional<std::string> Text(const YamlFields& fields,
                                  absl::string_view key);

 private:
  const absl::string_view name_;
  std::vector<Mistake>& mistakes_;
};

}  // namespace ebb::job

#endif  // EBB_JOB_YAML_MAPS_H_
