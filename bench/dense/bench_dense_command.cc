// `ebb bench dense`.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/command/bench_run.h"
#include "bench/common/paired.h"
#include "bench/dense/dense_bench.h"
#include "bench/dense/tls_bench.h"
#include "bench/plane/data_plane.h"
#include "common/status_macros.h"
#include "tools/command/command.h"
#include "tools/files/files.h"

namespace ebb::tools {

namespace {

struct BenchDenseFlags {
  int pairs = 0;  // 0: as many as the run needs.
  bool quick = false;
  std::vector<int64_t> kib;  // Empty: all.
  std::string json;
  std::string transport = "grpc";
  bool tls = false;
};

int BenchDense(const BenchDenseFlags& flags) {
  if (flags.tls && flags.transport == "shm") {
    return Report(absl::InvalidArgumentError(
        "--tls: values in shared memory are not encrypted; leave it out, or "
        "choose another --transport"));
  }
  bench::DenseOptions options = {.programs = ProgramFolder(),
                                 .plane = bench::DataPlaneOf(flags.transport),
                                 .watch = {.progress = ShowBenchProgress}};
  if (flags.quick) {
    options.pairs = 3;
    options.sample_bytes = int64_t{32} << 20;
    options.operations = 200;
    options.write_tries = 1;
    options.array_bytes = int64_t{64} << 20;
  }
  if (flags.pairs > 0) options.pairs = flags.pairs;
  // Over gRPC, TLS is compared with plain text.
  const bool compares_tls = flags.tls && flags.transport == "grpc";
  options.tls = flags.tls && !compares_tls;
  if (compares_tls) options.sizes = {4 << 20, 16 << 20};
  if (!flags.kib.empty()) {
    options.sizes.clear();
    for (const int64_t kib : flags.kib) options.sizes.push_back(kib << 10);
  }
  const auto measure = [&](const std::string& folder, const StopFunction& stop,
                           Json* json) -> absl::StatusOr<BenchResult> {
    options.folder = folder;
    options.watch.stop = stop;
    if (compares_tls) {
      EBB_ASSIGN_OR_RETURN(const bench::TlsReport report,
                           bench::MeasureTls(options));
      bench::AddTlsReport(report, json);
      return BenchResult{bench::TlsText(report),
                         flags.quick || bench::AllHold(report.rows)};
    }
    EBB_ASSIGN_OR_RETURN(const bench::DenseReport report,
                         bench::MeasureDense(options));
    bench::AddDense(report, json);
    return BenchResult{bench::DenseText(report),
                       flags.quick || bench::AllHold(report.rows)};
  };
  return RunInScratchFolder("", flags.json, measure);
}

}  // namespace

void AddBenchDenseCommand(CLI::App* bench, int* exit_code) {
  CLI::App* command = bench->add_subcommand(
      "dense", "Compares pushes and pulls of a dense model with a raw socket");
  const auto flags = std::make_shared<BenchDenseFlags>();
  command
      ->add_option("--pairs", flags->pairs,
                   "Pairs of each ratio; their median counts (9)")
      ->check(CLI::Range(1, 1000));
  command
      ->add_option("--kib", flags->kib,
                   "Only models of these sizes in KiB (4, 64, 1024 ... 65536)")
      ->check(CLI::Range(1, 1 << 20));
  command
      ->add_option("--transport", flags->transport,
                   "grpc; bulk: a TCP connection beside it; or shm: worker and "
                   "server share memory")
      ->capture_default_str()
      ->check(CLI::IsMember({"grpc", "bulk", "shm"}));
  command->add_flag(
      "--tls", flags->tls,
      "grpc: compare mutual TLS with plain text, 4 and 16 MiB; bulk: both "
      "sides have mutual TLS");
  command->add_flag(
      "--quick", flags->quick,
      "Give a rough result without a verdict: 3 pairs of short samples");
  command->add_option("--json", flags->json, "Write all figures to FILE")
      ->type_name("FILE");
  command->footer(R"(
Compares one worker's pushes and pulls to one ebb-ps on this machine with the
same bytes and the same arithmetic over a plain TCP socket, in turns. Exits 1 if
some row misses its requirement.
Example:
  ebb bench dense --json dense.json
  ebb bench dense --transport bulk
  ebb bench dense --transport shm
  ebb bench dense --tls
  ebb bench dense --tls --transport bulk)");
  command->callback([flags, exit_code] { *exit_code = BenchDense(*flags); });
}

}  // namespace ebb::tools
