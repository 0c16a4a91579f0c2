#include "server/store/internal/folder_layout.h"

#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace ebb::server {

namespace {

constexpr absl::string_view kVersionSuffix = ".version";
constexpr absl::string_view kNewSuffix = ".new";
constexpr absl::string_view kPackSuffix = ".values";

// Digits from the front of `text`; each number has one form only, so that no
// two names mean the same.
template <typename Int>
bool ConsumeNumber(absl::string_view* text, Int* number) {
  size_t digits = 0;
  while (digits < text->size() && absl::ascii_isdigit((*text)[digits])) {
    ++digits;
  }
  const absl::string_view taken = text->substr(0, digits);
  text->remove_prefix(digits);
  return (taken == "0" || !absl::StartsWith(taken, "0")) &&
         absl::SimpleAtoi(taken, number);
}

template <typename Id>
std::optional<Id> ParseId(absl::string_view name, absl::string_view prefix) {
  typename Id::Value value = 0;
  if (!absl::ConsumePrefix(&name, prefix) || !ConsumeNumber(&name, &value) ||
      !name.empty()) {
    return std::nullopt;
  }
  return Id(value);
}

}  // namespace

std::string JobFolderName(JobId job) {
  return absl::StrCat("job-", job.value());
}

std::string ServerFolderName(ServerId server) {
  return absl::StrCat("server-", server.value());
}

std::string PartitionFolderName(PartitionId partition) {
  return absl::StrCat("p", partition.value());
}

std::optional<JobId> ParseJobFolder(absl::string_view name) {
  return ParseId<JobId>(name, "job-");
}

std::optional<ServerId> ParseServerFolder(absl::string_view name) {
  return ParseId<ServerId>(name, "server-");
}

std::optional<PartitionId> ParsePartitionFolder(absl::string_view name) {
  return ParseId<PartitionId>(name, "p");
}

std::string TermFolder::Name() const {
  std::string name = absl::StrCat("t", term.value(), "-s", server.value());
  if (!open()) absl::StrAppend(&name, ".of", owner.value());
  return name;
}

std::optional<TermFolder> ParseTermFolder(absl::string_view name) {
  uint64_t term = 0, owner = 0;
  int32_t server = 0;
  if (!absl::ConsumePrefix(&name, "t") || !ConsumeNumber(&name, &term) ||
      !absl::ConsumePrefix(&name, "-s") || !ConsumeNumber(&name, &server)) {
    return std::nullopt;
  }
  TermFolder folder{Term(term), ServerId(server), Term(term)};
  if (name.empty()) return folder;
  if (!absl::ConsumePrefix(&name, ".of") || !ConsumeNumber(&name, &owner) ||
      !name.empty() || owner <= term) {
    return std::nullopt;
  }
  folder.owner = Term(owner);
  return folder;
}

std::string VersionFile::Name() const {
  return absl::StrCat("g", generation.value(), "-", sequence, kVersionSuffix);
}

std::optional<VersionFile> ParseVersionFile(absl::string_view name) {
  uint64_t generation = 0;
  int64_t sequence = 0;
  if (!absl::ConsumePrefix(&name, "g") || !ConsumeNumber(&name, &generation) ||
      !absl::ConsumePrefix(&name, "-") || !ConsumeNumber(&name, &sequence) ||
      name != kVersionSuffix) {
    return std::nullopt;
  }
  return VersionFile{Generation(generation), sequence};
}

bool IsNewVersionFile(absl::string_view name) {
  return absl::ConsumeSuffix(&name, kNewSuffix) &&
         ParseVersionFile(name).has_value();
}

std::string PackFile(uint64_t number) {
  return absl::StrCat(number, kPackSuffix);
}

std::optional<uint64_t> ParsePackFile(absl::string_view name) {
  uint64_t number = 0;
  if (!ConsumeNumber(&name, &number) || name != kPackSuffix) {
    return std::nullopt;
  }
  return number;
}

}  // namespace ebb::server
