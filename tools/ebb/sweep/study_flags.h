// How `ebb sweep ask`, `tell` and `best` name a study.
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
void AddStudyFlags(CLI::App* command, StudyFlags* flags,
                   const std::string& words =
                       "Sweep file; it may name no job, if a program trains");
// The file that keeps the study of a sweep file.
std::string StudyPath(const StudyFlags& flags, const sweep::SweepFile& file);

struct OpenStudy {
  sweep::SweepFile file;
  std::unique_ptr<StudyJournal> journal;  // Borrows the file.

  // Reads the file and opens its journal.
  absl::Status Open(const StudyFlags& flags);
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_SWEEP_STUDY_FLAGS_H_
