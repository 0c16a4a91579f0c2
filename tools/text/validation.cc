#include "tools/text/validation.h"

#include "absl/strings/str_cat.h"
#include "tools/text/console.h"

namespace ebb::tools {

std::string ValidationText(const v1::JobStatus& job) {
  if (!job.has_validation()) return "";
  const v1::JobStatus::Validation& known = job.validation();
  return absl::StrCat("best ", known.best_trees(), " of ", known.trees(),
                      known.trees() == 1 ? " tree" : " trees",
                      ", validation loss ", LossText(known.best_loss(), 3));
}

Json ValidationJson(const v1::JobStatus& job) {
  const v1::JobStatus::Validation& known = job.validation();
  Json json = Json::Object();
  json["trees"] = known.trees();
  json["loss"] = known.loss();
  json["best_trees"] = known.best_trees();
  json["best_loss"] = known.best_loss();
  json["left"] = known.left();
  return json;
}

}  // namespace ebb::tools
