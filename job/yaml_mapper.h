// Maps a YAML tree onto a message of a job by the names of its keys.
#ifndef EBB_JOB_YAML_MAPPER_H_
#define EBB_JOB_YAML_MAPPER_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "job/base/keys.h"
#include "job/base/mistake.h"
#include "job/unknown_key.h"
#include "job/yaml_tree.h"

namespace ebb::job {

// Collects mistakes, and goes on. Not thread-safe.
class YamlMapper {
 public:
  static constexpr absl::string_view kSet = "--set";

  // Neither pointer is owned.
  YamlMapper(std::string file, SourceMap* sources,
             std::vector<Mistake>* mistakes)
      : file_(std::move(file)), sources_(sources), mistakes_(mistakes) {}

  // `node` should be a map, or the short form of `message`; `example` is a
  // hint for when it is neither.
  void MapMessage(const YamlNode& node, const std::string& path,
                  Message* message, const std::string& example = "");
  void MapField(const YamlNode& node, const FieldDescriptor& field,
                const std::string& path, Message* message);
  // Says what is wrong with a key that its message does not have. Returns the
  // path of the key that is probably meant; empty: none.
  std::string FailUnknown(const UnknownKey& key, int line);
  // Takes the overridden job, of which the YAML is not known.
  void set_job(const Message* job) { around_.job = job; }
  void Fail(int line, const std::string& path, std::string what,
            std::string hint) {
    if (mistakes_->size() >= kMaxMistakes) return;
    mistakes_->push_back({At(line), path, std::move(what), std::move(hint)});
  }
  void SetScalar(absl::string_view text, int line, const FieldDescriptor& field,
                 const std::string& path, Message* message);

 private:
  Place At(int line) const { return {file_, file_ == kSet ? 0 : line}; }
  void FailTwice(int line, const std::string& path, int first_line) {
    Fail(line, path, absl::StrCat("is given twice, first in line ", first_line),
         "keep one of the two");
  }
  void MapEntry(const YamlNode& key, const YamlNode& value, const YamlNode& map,
                const std::string& path, Message* message,
                std::map<std::string, int>* seen);
  void MapList(const YamlNode& node, const FieldDescriptor& field,
               const std::string& path, Message* message);
  void MapEntries(const YamlNode& node, const FieldDescriptor& field,
                  const std::string& path, Message* message);

  const std::string file_;
  SourceMap* const sources_;
  std::vector<Mistake>* const mistakes_;
  JobAround around_;
};

}  // namespace ebb::job

#endif  // EBB_JOB_YAML_MAPPER_H_
