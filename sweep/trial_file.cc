#include "sweep/trial_file.h"

#include <cstdint>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "job/base/values.h"
#include "job/yaml.h"
#include "sweep/folds.h"

namespace ebb::sweep {
namespace {

constexpr absl::string_view kHeader = "# ebb sweep ";

// FNV-1a (Fowler, Noll, Vo): a name for a text.
std::string HashOf(absl::string_view text) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  return absl::StrFormat("%016x", hash);
}

}  // namespace

std::vector<std::string> OverridesOf(const SweepFile& file,
                                     const Choices& choices) {
  std::vector<std::string> overrides = file.overrides;
  // A condition's key goes first: `kind` decides which others there are.
  for (const Dimension& dimension : file.sweep.space) {
    const auto chosen = choices.find(dimension.key);
    if (chosen == choices.end()) continue;
    overrides.push_back(absl::StrCat(dimension.key, "=", chosen->second));
  }
  if (const auto fold = choices.find(kFoldKey); fold != choices.end()) {
    overrides.push_back(absl::StrCat(kFoldKey, "=", fold->second));
  }
  return overrides;
}

absl::StatusOr<std::string> BestFile(const SweepFile& file, int64_t number,
                                     const Choices& choices) {
  job::JobFile read =
      job::ReadJob(file.job_text, file.job_file, OverridesOf(file, choices));
  if (!read.ok()) return job::ToStatus(read.mistakes);
  const Sweep& sweep = file.sweep;
  if (!read.job.has_name())
    read.job.set_name(absl::StrCat(sweep.name, "-best"));
  return absl::StrCat("# The best of the sweep ", sweep.name, ": trial ",
                      number, "\n",
                      job::JobToYaml(read.job, job::YamlStyle::kCompact));
}

absl::StatusOr<std::string> TrialFile(const SweepFile& file, int64_t number,
                                      const Choices& choices) {
  job::JobFile read =
      job::ReadJob(file.job_text, file.job_file, OverridesOf(file, choices));
  if (!read.ok()) return job::ToStatus(read.mistakes);
  const Sweep& sweep = file.sweep;
  read.job.set_name(TrialName(sweep.name, number));
  std::string text = absl::StrCat(kHeader, sweep.name, " trial ", number,
                                  " definition ", DefinitionOf(file), "\n");
  for (const auto& [key, value] : choices) {
    absl::StrAppend(&text, "# set ", key, "=", absl::CEscape(value), "\n");
  }
  return absl::StrCat(text, job::JobToYaml(read.job, job::YamlStyle::kCompact));
}

std::optional<TrialHeader> ReadTrialHeader(absl::string_view text) {
  TrialHeader header;
  bool first = true;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (first) {
      if (!absl::ConsumePrefix(&line, kHeader)) return std::nullopt;
      const std::vector<std::string> words = absl::StrSplit(line, ' ');
      if (words.size() != 5 || words[1] != "trial" ||
          words[3] != "definition" ||
          !absl::SimpleAtoi(words[2], &header.number)) {
        return std::nullopt;
      }
      header.sweep = words[0];
      header.definition = words[4];
      first = false;
      continue;
    }
    if (!absl::ConsumePrefix(&line, "# set ")) break;
    const size_t equals = line.find('=');
    std::string value;
    if (equals == absl::string_view::npos ||
        !absl::CUnescape(line.substr(equals + 1), &value)) {
      return std::nullopt;
    }
    header.choices[std::string(line.substr(0, equals))] = std::move(value);
  }
  return header;
}

std::string DefinitionOf(const SweepFile& file) {
  const Sweep& sweep = file.sweep;
  std::string text =
      absl::StrCat(static_cast<int>(sweep.method), "\n", sweep.seed, "\n",
                   sweep.metric, "\n", sweep.maximise, "\n");
  if (sweep.halving) {
    absl::StrAppend(&text, sweep.halving->first, " ", sweep.halving->factor,
                    "\n");
  }
  for (const Dimension& dimension : sweep.space) {
    absl::StrAppend(&text, dimension.key, " ", static_cast<int>(dimension.kind),
                    " ", absl::StrJoin(dimension.values, "\x1f"), " ",
                    job::NumberText(dimension.low), " ",
                    job::NumberText(dimension.high), " ", dimension.log, " ",
                    dimension.steps);
    if (dimension.when) {
      absl::StrAppend(&text, " when ", dimension.when->key, " ",
                      absl::StrJoin(dimension.when->values, "\x1f"));
    }
    text += '\n';
  }
  absl::StrAppend(&text, job::JobToYaml(file.job, job::YamlStyle::kCompact),
                  absl::StrJoin(file.overrides, "\n"));
  return HashOf(text);
}

}  // namespace ebb::sweep
