// Hints for keys that a job does not have: the key that is probably meant, with
// the user's own value and files.
#ifndef EBB_JOB_UNKNOWN_KEY_H_
#define EBB_JOB_UNKNOWN_KEY_H_

#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "job/base/keys.h"
#include "job/yaml_tree.h"

namespace ebb::job {

// Pointers are not owned, and may be null: not known.
struct UnknownKey {
  absl::string_view name;
  const YamlNode* value = nullptr;
  const Descriptor* type = nullptr;  // The message that lacks it; not null.
  std::string path;                  // To that message; empty: it is the job.
  const YamlNode* map = nullptr;     // In which it stands.
};

// The job in which the key stands; one of both is null.
struct JobAround {
  const YamlNode* root = nullptr;
  const Message* job = nullptr;  // If there is no YAML.
};

struct KeyHint {
  std::string hint;
  // The path of the key that is probably meant; empty: none.
  std::string meant;
  // The name is only near to one of another tool: `meant` explains no other
  // mistake.
  bool guessed = false;
};

KeyHint HintForKey(const UnknownKey& key, const JobAround& around);

// The names that other tools give to keys of ours, each with the path of that
// key: "lr" is optimizer.rate.
const std::map<std::string, std::string>& NamesElsewhere();

// "keys: a, b": those of the message that people may set.
std::string KeysHint(const Descriptor& type);

// Returns whether the key has keys of its own, which job.proto names.
bool IsMessage(const FieldDescriptor& field);

// The text as one YAML value, if it is short enough for a hint; else "…".
std::string QuoteShort(absl::string_view text);

}  // namespace ebb::job

#endif  // EBB_JOB_UNKNOWN_KEY_H_
