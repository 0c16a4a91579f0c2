// `ebb bench sparse`.
#include <memory>
#include <string>

#include "bench/command/bench_run.h"
#include "bench/common/paired.h"
#include "bench/plane/data_plane.h"
#include "bench/sparse/sparse_bench.h"
#include "common/status_macros.h"
#include "tools/command/command.h"
#include "tools/files/files.h"

namespace ebb::tools {

namespace {

struct BenchSparseFlags {
  bench::SparseOptions options;
  int pairs = 0;     // 0: as many as the run needs.
  int64_t rows = 0;  // 0: also as many.
  bool quick = false;
  std::string json;
  std::string transport = "grpc";
};

int BenchSparse(const BenchSparseFlags& flags) {
  bench::SparseOptions options = flags.options;
  options.programs = ProgramFolder();
  options.plane = bench::DataPlaneOf(flags.transport);
  options.watch.progress = ShowBenchProgress;
  if (flags.quick) {
    options.rows = 50'000;
    options.pairs = 3;
    options.messages = 50;
  }
  if (flags.pairs > 0) options.pairs = flags.pairs;
  if (flags.rows > 0) options.rows = flags.rows;
  const absl::Status possible = options.Validate();
  if (!possible.ok()) return Report(possible);
  const auto measure = [&](const std::string& folder, const StopFunction& stop,
                           Json* json) -> absl::StatusOr<BenchResult> {
    options.folder = folder;
    options.watch.stop = stop;
    EBB_ASSIGN_OR_RETURN(const bench::SparseReport report,
                         bench::MeasureSparse(options));
    bench::AddSparse(report, json);
    return BenchResult{bench::SparseText(report),
                       flags.quick || bench::AllHold(report.rows)};
  };
  return RunInScratchFolder("", flags.json, measure);
}

}  // namespace

void AddBenchSparseCommand(CLI::App* bench, int* exit_code) {
  CLI::App* command = bench->add_subcommand(
      "sparse", "Compares pushes and pulls of rows under keys with a hash map");
  const auto flags = std::make_shared<BenchSparseFlags>();
  command->add_option("--rows", flags->rows, "Rows in the table (1000000)")
      ->check(CLI::Range(int64_t{1000}, int64_t{1} << 30));
  command
      ->add_option("--zipf", flags->options.zipf,
                   "Exponent of the rows' popularity; 0: all equally popular")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 2.0));
  command->add_option("--width", flags->options.width, "Floats of a row")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  command
      ->add_option("--message-rows", flags->options.message_rows,
                   "Distinct rows of a push or pull")
      ->capture_default_str()
      ->check(CLI::Range(1, 65536));
  command
      ->add_option("--in-flight", flags->options.in_flight,
                   "Pushes, or pulls, in flight at a time")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  command
      ->add_option("--pairs", flags->pairs,
                   "Pairs of each ratio; their median counts (9)")
      ->check(CLI::Range(1, 1000));
  command
      ->add_option("--transport", flags->transport,
                   "grpc; bulk: a TCP connection beside it; or shm: worker and "
                   "server share memory")
      ->capture_default_str()
      ->check(CLI::IsMember({"grpc", "bulk", "shm"}));
  command->add_flag("--quick", flags->quick,
                    "Give a rough result without a verdict: 3 pairs of short "
                    "samples, 50000 rows");
  command->add_option("--json", flags->json, "Write all figures to FILE")
      ->type_name("FILE");
  command->footer(R"(
Compares one worker's pushes to and pulls from one ebb-ps on this machine with
the same keys and arithmetic in one thread of this process, in turns. Exits 1 if
some row misses its requirement.
Example:
  ebb bench sparse --zipf 1.1
  ebb bench sparse --transport shm --json sparse.json)");
  command->callback([flags, exit_code] { *exit_code = BenchSparse(*flags); });
}

}  // namespace ebb::tools
