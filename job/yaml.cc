#include "job/yaml.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/nearest.h"
#include "common/regular_file.h"
#include "job/base/values.h"
#include "job/overrides.h"
#include "job/validate.h"
#include "job/yaml_mapper.h"
#include "job/yaml_tree.h"

namespace ebb::job {
namespace {

// The key that only files of sweeps have; null: there is none.
const YamlNode* KeyOfSweep(const YamlNode& root) {
  if (root.kind != YamlNode::Kind::kMap) return nullptr;
  const auto find = [&](absl::string_view name) -> const YamlNode* {
    const auto key = std::ranges::find_if(
        root.keys, [&](const YamlNode& key) { return key.text == name; });
    return key == root.keys.end() ? nullptr : &*key;
  };
  if (const YamlNode* sweep = find("sweep")) return sweep;
  // Beside keys of a job it lacks `sweep` above it.
  return find("model") == nullptr && find("data") == nullptr ? find("space")
                                                             : nullptr;
}

// The standard input has no name.
std::string NameInCommand(absl::string_view file) {
  return absl::StartsWith(file, "/proc/self/fd/") ? "FILE" : std::string(file);
}

}  // namespace

JobFile ReadJob(absl::string_view text, absl::string_view name,
                const std::vector<std::string>& overrides) {
  JobFile file;
  file.sources.Set("", {std::string(name), 1});
  const auto tree = ReadYaml(text, name, &file.mistakes);
  if (!tree.has_value()) return file;
  if (const YamlNode* key = KeyOfSweep(*tree)) {
    file.mistakes.push_back(
        {{std::string(name), key->line},
         key->text,
         "this is the file of a sweep, and not of one job",
         absl::StrCat("`ebb sweep ", NameInCommand(name),
                      "`, which trains a job with many settings")});
    return file;
  }
  YamlMapper(std::string(name), &file.sources, &file.mistakes)
      .MapMessage(*tree, "", &file.job);
  ApplyOverrides(overrides, &file);
  MergeMistakes(ValidateJob(file.job, DataFacts{}, file.sources, file.mistakes),
                &file.mistakes);
  SortByLine(&file.mistakes);
  return file;
}

std::string NameAfterFile(absl::string_view path) {
  constexpr size_t kLongest = 63;
  if (absl::StartsWith(path, "/dev/") || absl::StartsWith(path, "/proc/")) {
    return "";
  }
  std::string name = std::filesystem::path(std::string(path)).stem().string();
  for (char& c : name) {
    c = absl::ascii_tolower(c);
    if (!absl::ascii_isalnum(c) && c != '_' && c != '.') c = '-';
  }
  name.erase(0, name.find_first_not_of("-_."));
  name.resize(std::min(name.size(), kLongest));
  return IsName(name) ? name : "";
}

JobFile ReadJobFile(const std::string& path,
                    const std::vector<std::string>& overrides) {
  const auto refuse = [&](std::string what) {
    const std::string near = NearestPath(path);
    JobFile file;
    file.mistakes.push_back({{path, 0},
                             "",
                             std::move(what),
                             near.empty()
                                 ? "examples/jobs/ has jobs to start from"
                                 : absl::StrCat("is it ", near, "?")});
    return file;
  };
  const absl::Status readable = CheckReadable(path);
  if (!readable.ok()) return refuse(std::string(readable.message()));
  std::ifstream in(path, std::ios::binary);
  // One byte more than allowed, to see that there are too many.
  std::string text(kMaxYamlBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || (in.fail() && !in.eof())) {
    return refuse(absl::StrCat("cannot be read: ",
                               std::generic_category().message(errno)));
  }
  text.resize(static_cast<size_t>(in.gcount()));
  JobFile file = ReadJob(text, path, overrides);
  // Without any key there is no job to name.
  if (file.job.ByteSizeLong() > 0 && !file.job.has_name()) {
    const std::string name = NameAfterFile(path);
    if (!name.empty()) file.job.set_name(name);
  }
  return file;
}

absl::StatusOr<v1::Job> ParseJobYaml(absl::string_view text,
                                     absl::string_view name,
                                     SourceMap* sources) {
  JobFile file = ReadJob(text, name);
  if (!file.ok()) return ToStatus(file.mistakes);
  if (sources != nullptr) *sources = std::move(file.sources);
  return std::move(file.job);
}

}  // namespace ebb::job
