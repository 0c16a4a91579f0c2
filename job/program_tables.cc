#include "job/program_tables.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/initializer.h"

namespace ebb::job {

namespace {

std::optional<InitRule> RuleOf(const v1::TableInit& init) {
  switch (init.kind()) {
    case v1::TableInit::KIND_UNSPECIFIED:  // Not given.
    case v1::TableInit::KIND_ZEROS:
      return InitRule::Zeros();
    case v1::TableInit::KIND_CONSTANT:
      return InitRule{InitRule::Kind::kConstant,
                      static_cast<float>(init.value())};
    case v1::TableInit::KIND_UNIFORM:
      return InitRule{InitRule::Kind::kUniform,
                      static_cast<float>(init.spread())};
    case v1::TableInit::KIND_NORMAL:
      return InitRule{InitRule::Kind::kNormal,
                      static_cast<float>(init.spread())};
    default:
      return std::nullopt;
  }
}

}  // namespace

absl::StatusOr<std::vector<DenseTable>> ProgramTablesOf(
    const v1::Model& model) {
  const std::map<std::string, v1::ProgramTable> by_name(model.tables().begin(),
                                                        model.tables().end());
  std::vector<DenseTable> tables;
  for (const auto& [name, said] : by_name) {
    const auto init = RuleOf(said.init());
    const std::vector<int64_t> dims(said.dims().begin(), said.dims().end());
    const auto size = ElementsOf(dims);
    if (!init || !size) {
      return absl::InvalidArgumentError(
          absl::StrCat("model.tables.", name, init ? ".dims" : ".init.kind",
                       ": is no possible value"));
    }
    tables.push_back({name, *size, *init, dims});
  }
  return tables;
}

std::vector<SparseTable> ProgramSparseTablesOf(const v1::Model& model) {
  const std::map<std::string, v1::ProgramRows> by_name(
      model.sparse_tables().begin(), model.sparse_tables().end());
  std::vector<SparseTable> tables;
  for (const auto& [name, said] : by_name) {
    SparseTable& table = tables.emplace_back();
    table.name = name;
    table.width = static_cast<int32_t>(said.width());
  }
  return tables;
}

}  // namespace ebb::job
