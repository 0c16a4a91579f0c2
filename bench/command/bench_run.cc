#include "bench/command/bench_run.h"

#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iostream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "bench/command/bench_machine.h"
#include "common/steady_time.h"
#include "tools/command/command.h"
#include "tools/files/files.h"
#include "tools/process/signals.h"

namespace ebb::tools {

void ShowBenchProgress(const std::string& text) {
  if (isatty(STDERR_FILENO) != 0) {
    std::cerr << "\r\033[K" << text << std::flush;
  } else {
    std::cerr << text << std::endl;
  }
}

int RunInScratchFolder(const std::string& parent, const std::string& json,
                       const MeasureFunction& measure) {
  if (!json.empty()) {
    const absl::Status writable = CheckWritable(json);
    if (!writable.ok()) return Report(writable);
  }
  // A user who stops it finds no folder left behind.
  auto signals = SignalWaiter::Create();
  if (!signals.ok()) return Report(signals.status());
  std::error_code error;
  const std::filesystem::path where =
      parent.empty() ? std::filesystem::temp_directory_path(error)
                     : std::filesystem::path(parent);
  std::string folder = (where / "ebb-bench-XXXXXX").string();
  if (error || mkdtemp(folder.data()) == nullptr) {
    return Report(absl::ErrnoToStatus(
        errno, absl::StrCat("cannot make the folder ", folder)));
  }
  std::cerr << WhereItRan() << std::endl;
  Json figures = WhereItRanJson();
  const absl::Time begun = SteadyNow();
  const absl::StatusOr<BenchResult> result = measure(
      folder, [&signals] { return signals->Wait({}).interrupts > 0; },
      &figures);
  ShowBenchProgress("");
  figures["seconds"] = absl::ToDoubleSeconds(SteadyNow() - begun);
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  if (absl::IsCancelled(result.status())) return kExitInterrupted;
  if (!result.ok()) return Report(result.status());
  std::cout << result->text;
  if (!json.empty()) {
    const absl::Status written = WriteFile(json, figures.ToString());
    if (!written.ok()) return Report(written);
  }
  return result->good ? kExitGood : kExitFailed;
}

}  // namespace ebb::tools
