#include "tools/ebb/sweep/study_flags.h"

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb::tools {

void AddStudyFlags(CLI::App* command, StudyFlags* flags,
                   const std::string& words) {
  command->add_option("SWEEP", flags->sweep, words)->required();
  command
      ->add_option("--set", flags->set,
                   "KEY=VALUE: set a key of the job in every trial; may be "
                   "repeated")
      ->allow_extra_args(false);
  command->add_option("--study", flags->study,
                      "File that keeps the study (NAME.study)");
}

std::string StudyPath(const StudyFlags& flags, const sweep::SweepFile& file) {
  return flags.study.empty() ? absl::StrCat(file.sweep.name, ".study")
                             : flags.study;
}

absl::Status OpenStudy::Open(const StudyFlags& flags) {
  file = sweep::ReadStudyFile(flags.sweep, flags.set);
  if (!file.ok()) return job::ToStatus(file.mistakes);
  EBB_ASSIGN_OR_RETURN(journal,
                       StudyJournal::Open(file, StudyPath(flags, file)));
  return absl::OkStatus();
}

}  // namespace ebb::tools
