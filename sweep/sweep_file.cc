#include "sweep/sweep_file.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/nearest.h"
#include "common/regular_file.h"
#include "common/status_macros.h"
#include "job/yaml.h"
#include "job/yaml_tree.h"
#include "sweep/sweep_reader.h"

namespace ebb::sweep {
namespace {

constexpr job::YamlKind kSweepKind = {
    "sweep", "a sweep has at least the key space, and the keys of a job"};

// The text without the lines of the key `sweep`, so that lines keep their
// numbers. Absent: the key does not stand at the beginning of a line.
std::optional<std::string> WithoutSweep(absl::string_view text,
                                        const YamlNode& root) {
  int begin = 0;
  int end = std::numeric_limits<int>::max();
  for (const YamlNode& key : root.keys) {
    if (key.text == "sweep") begin = key.line;
  }
  for (const YamlNode& key : root.keys) {
    if (key.line > begin) end = std::min(end, key.line);
  }
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  if (begin < 1 || begin > std::ssize(lines) ||
      !absl::StartsWith(lines[static_cast<size_t>(begin) - 1], "sweep")) {
    return std::nullopt;
  }
  for (int line = begin; line < end && line <= std::ssize(lines); ++line) {
    lines[static_cast<size_t>(line) - 1].clear();
  }
  return absl::StrJoin(lines, "\n");
}

// Returns whether a file is a job without a sweep.
bool IsJob(const YamlNode& root) {
  return std::ranges::any_of(root.keys, [](const YamlNode& key) {
    return key.text == "model" || key.text == "data" || key.text == "validate";
  });
}

// The text of a file, of at most as many bytes as a job file may have.
absl::StatusOr<std::string> TextOfFile(const std::string& path) {
  EBB_RETURN_IF_ERROR(CheckReadable(path));
  std::ifstream in(path, std::ios::binary);
  std::string text(job::kMaxYamlBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || (in.fail() && !in.eof())) {
    return absl::UnavailableError(absl::StrCat(
        "cannot be read: ", std::generic_category().message(errno)));
  }
  text.resize(static_cast<size_t>(in.gcount()));
  return text;
}

SweepFile Refused(const std::string& path, const absl::Status& status) {
  const std::string near = NearestPath(path);
  SweepFile file;
  file.mistakes.push_back({{path, 0},
                           "",
                           std::string(status.message()),
                           near.empty()
                               ? "examples/sweeps/ has sweeps to start from"
                               : absl::StrCat("is it ", near, "?")});
  return file;
}

// `needs_job`: a file of the keys of a sweep names one.
SweepFile ReadAny(absl::string_view text, absl::string_view name,
                  const std::vector<std::string>& overrides, bool needs_job) {
  SweepFile file;
  file.overrides = overrides;
  const auto root = job::ReadYaml(text, name, &file.mistakes, kSweepKind);
  if (!root) return file;
  const auto fail = [&](int line, std::string path, std::string what,
                        std::string hint) {
    file.mistakes.push_back({{std::string(name), line},
                             std::move(path),
                             std::move(what),
                             std::move(hint)});
  };
  if (root->kind != YamlNode::Kind::kMap) {
    fail(1, "", "the file is no map of keys", ExampleOf("space"));
    return file;
  }
  const auto item = [&](absl::string_view key) -> const YamlNode* {
    for (size_t i = 0; i < root->keys.size(); ++i) {
      if (root->keys[i].text == key) return &root->items[i];
    }
    return nullptr;
  };
  SweepReader reader(name, /*study=*/!needs_job, &file);
  if (const YamlNode* sweep = item("sweep")) {
    const auto again = std::ranges::find_if(
        root->keys.rbegin(), root->keys.rend(),
        [](const YamlNode& key) { return key.text == "sweep"; });
    const auto first = std::ranges::find(root->keys, "sweep", &YamlNode::text);
    if (&*again != &*first) {
      fail(again->line, "sweep",
           absl::StrCat("is given twice, first in line ", first->line),
           "keep one of the two");
      return file;
    }
    auto job_text = WithoutSweep(text, *root);
    if (!job_text) {
      fail(sweep->line, "sweep", "does not begin a line of its own",
           "sweep:\n    space: {optimizer.rate: [0.01, 0.1]}");
      return file;
    }
    file.job_file = std::string(name);
    file.job_text = *std::move(job_text);
    reader.Read(*sweep, "sweep");
  } else if (IsJob(*root)) {
    file.job_file = std::string(name);
    file.job_text = std::string(text);
    job::JobFile read = job::ReadJob(text, name, overrides);
    if (read.ok() && !read.job.has_validate()) {
      read.mistakes.push_back(
          {{std::string(name), 1},
           "",
           "the file has neither the key sweep nor the key validate, so there "
           "is one job to train",
           "sweep: {space: {optimizer.rate: [0.01, 0.1]}}, or `ebb run`"});
    }
    file.mistakes = std::move(read.mistakes);
    if (!file.ok()) return file;
    reader.TakeFolds();
  } else {
    reader.Read(*root, "");
    const YamlNode* job = item("job");
    if (job == nullptr && !needs_job) {
      if (file.sweep.name.empty()) file.sweep.name = "study";
      if (file.ok()) reader.CheckConditions();
      reader.TellWrongMetric();
      job::SortByLine(&file.mistakes);
      return file;
    }
    if (job == nullptr || !job->is_scalar()) {
      fail(job == nullptr ? 1 : job->line, "job",
           job == nullptr ? "is missing" : "is no file", ExampleOf("job"));
      return file;
    }
    file.job_file = job->text;
    auto job_text = TextOfFile(job->text);
    if (!job_text.ok()) {
      fail(job->line, "job",
           absl::StrCat(job->text, ": ", job_text.status().message()),
           ExampleOf("job"));
      return file;
    }
    file.job_text = *std::move(job_text);
  }
  if (file.ok()) reader.CheckJob();
  reader.TellWrongMetric();
  job::SortByLine(&file.mistakes);
  return file;
}

}  // namespace

SweepFile ReadSweepFile(const std::string& path,
                        const std::vector<std::string>& overrides) {
  const auto text = TextOfFile(path);
  if (!text.ok()) return Refused(path, text.status());
  return ReadSweep(*text, path, overrides);
}

SweepFile ReadSweep(absl::string_view text, absl::string_view name,
                    const std::vector<std::string>& overrides) {
  return ReadAny(text, name, overrides, /*needs_job=*/true);
}

SweepFile ReadStudyFile(const std::string& path,
                        const std::vector<std::string>& overrides) {
  const auto text = TextOfFile(path);
  if (!text.ok()) return Refused(path, text.status());
  return ReadAny(*text, path, overrides, /*needs_job=*/false);
}

}  // namespace ebb::sweep
