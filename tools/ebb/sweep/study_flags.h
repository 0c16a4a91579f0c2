// How `ebb sweep ask` and `ebb sweep tell` name a study.
#ifndef EBB_TOOLS_EBB_SWEEP_STUDY_FLAGS_H_
#define EBB_TOOLS_EBB_SWEEP_STUDY_FLAGS_H_

#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "sweep/sweep_file.h"
#include "tools/ebb/sweep/study_journal.h"

namespace ebb::tools {

// SWEEP, --set, --study.
struct StudyFlags {
  std::string sweep;
  std::vector<std::string> set;
  std::string study;  // Empty: NAME.study.
};
void AddStudyFlags(CLI::App* command, StudyFlags* flags);

struct OpenStudy {
  sweep::SweepFile file;
  std::unique_ptr<StudyJournal> journal;  // Borrows the file.

  // Reads the file and opens its journal.
  absl::Status Open(const StudyFlags& flags);
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_SWEEP_STUDY_FLAGS_H_
