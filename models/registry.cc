#include "models/registry.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"

namespace ebb::models {
namespace {

bool IsKind(absl::string_view name) {
  if (name.empty() || !absl::ascii_islower(name[0])) return false;
  for (const char c : name) {
    if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '_') {
      return false;
    }
  }
  return true;
}

}  // namespace

absl::Status Registry::Register(absl::string_view kind,
                                absl::string_view summary,
                                ModelFactory factory) {
  if (!IsKind(kind)) {
    return absl::InvalidArgumentError(
        absl::StrCat("model kind \"", kind,
                     "\": a name is lower-case letters, digits and "
                     "underscores, and starts with a letter"));
  }
  Entry entry = {std::string(summary), std::move(factory)};
  const bool added =
      entries_.try_emplace(std::string(kind), std::move(entry)).second;
  if (added) return absl::OkStatus();
  return absl::AlreadyExistsError(
      absl::StrCat("model kind \"", kind,
                   "\" exists already; give the new one another name"));
}

absl::StatusOr<std::unique_ptr<Model>> Registry::Create(
    const ModelConfig& config, ComputeBackend* backend) const {
  const auto entry = entries_.find(config.kind);
  if (entry == entries_.end()) {
    return ConfigError(
        "model.kind",
        absl::StrCat("there is no model \"", config.kind, "\"; there are ",
                     absl::StrJoin(entries_, ", ",
                                   [](std::string* out, const auto& known) {
                                     absl::StrAppend(out, known.first);
                                   })));
  }
  EBB_RETURN_IF_ERROR(CheckRanges(config));
  return entry->second.factory(config, backend);
}

std::vector<std::pair<std::string, std::string>> Registry::List() const {
  std::vector<std::pair<std::string, std::string>> list;
  for (const auto& [kind, entry] : entries_) {
    list.emplace_back(kind, entry.summary);
  }
  return list;
}

}  // namespace ebb::models
