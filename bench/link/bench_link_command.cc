// `ebb bench link`.
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/command/bench_run.h"
#include "bench/common/paired.h"
#include "bench/link/link_bench.h"
#include "bench/plane/data_plane.h"
#include "common/status_macros.h"
#include "rpc/transport.h"
#include "tools/command/command.h"
#include "tools/files/files.h"

namespace ebb::tools {

namespace {

constexpr int kMostRawConnections = 64;

struct BenchLinkFlags {
  std::vector<double> gbit = {1, 10, 25};
  std::vector<double> delay_ms = {0, 1, 10};
  std::vector<double> loss_percent = {0, 0.1};
  int64_t mib = 0;
  int64_t window_mib = 0;
  int pairs = 5;
  std::vector<int> raw_connections;
  std::string transport = "bulk";
  int streams = 1;
  std::string json;
};

int BenchLink(const BenchLinkFlags& flags) {
  bench::LinkOptions options = {.programs = ProgramFolder(),
                                .plane = bench::DataPlaneOf(flags.transport),
                                .streams = flags.streams,
                                .pairs = flags.pairs,
                                .bytes = flags.mib << 20,
                                .window_bytes = flags.window_mib << 20,
                                .raw_connections = flags.raw_connections,
                                .watch = {.progress = ShowBenchProgress}};
  for (const double gbit : flags.gbit) {
    for (const double delay : flags.delay_ms) {
      for (const double loss : flags.loss_percent) {
        options.shapes.push_back({.bits_per_second = std::llround(gbit * 1e9),
                                  .round_trip_ns = std::llround(delay * 1e6),
                                  .loss = loss / 100});
      }
    }
  }
  return RunInScratchFolder(
      "", flags.json,
      [&](const std::string& folder, const StopFunction& stop,
          Json* json) -> absl::StatusOr<BenchResult> {
        options.folder = folder;
        options.watch.stop = stop;
        EBB_ASSIGN_OR_RETURN(const bench::LinkReport report,
                             bench::MeasureLink(options));
        bench::AddLink(report, json);
        return BenchResult{bench::LinkReportText(report),
                           bench::AllHold(report.rows)};
      });
}

}  // namespace

void AddBenchLinkCommand(CLI::App* bench, int* exit_code) {
  CLI::App* command = bench->add_subcommand(
      "link",
      "Compares pushes and pulls over an emulated link with a raw "
      "socket");
  const auto flags = std::make_shared<BenchLinkFlags>();
  command->add_option("--gbit", flags->gbit, "Rates of the link, in Gbit/s")
      ->capture_default_str()
      ->check(CLI::Range(0.001, 1000.0));
  command
      ->add_option("--delay", flags->delay_ms,
                   "Delays of a round trip, in milliseconds")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1000.0));
  command
      ->add_option("--loss", flags->loss_percent,
                   "Shares of packets that are lost, in percent")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 50.0));
  command
      ->add_option("--mib", flags->mib,
                   "Size of the model; 0: 100 from 10 Gbit/s on, 16 below and "
                   "with loss")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  command
      ->add_option(
          "--window-mib", flags->window_mib,
          "Most that a connection has under way (net.ipv4.tcp_rmem and "
          "tcp_wmem); 0: as this machine has it")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  command
      ->add_option("--pairs", flags->pairs,
                   "Pairs of each ratio; their median counts")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  command
      ->add_option("--raw-connections", flags->raw_connections,
                   "Also compares so many raw sockets at once with one")
      ->check(CLI::Range(1, kMostRawConnections));
  command
      ->add_option("--transport", flags->transport,
                   "grpc; or bulk: a TCP connection beside it")
      ->capture_default_str()
      ->check(CLI::IsMember({"grpc", "bulk"}));
  command
      ->add_option("--streams", flags->streams,
                   "Bulk streams of the worker (--bulk-streams of ebb-worker)")
      ->capture_default_str()
      ->check(CLI::Range(1, rpc::kMostBulkStreams));
  command->add_option("--json", flags->json, "Write all figures to FILE")
      ->type_name("FILE");
  command->footer(R"(
Puts one ebb-ps into a network namespace of its own, and joins it to this
process by a link with each rate, delay and loss that is given. It measures
pushes and pulls, and the 99th percentile of an acknowledgement, in turns with a
plain TCP socket over the same link. It needs root and /dev/net/tun, and leaves
nothing behind. Exits 1 if some row misses its requirement.

The link is a process that shares the processor with the rest: on few cores it
passes less than the rate asked for. With loss it passes packets of 1500 bytes,
otherwise of 64 KiB.
Example:
  sudo ebb bench link --gbit 10 --delay 1 --loss 0)");
  command->callback([flags, exit_code] { *exit_code = BenchLink(*flags); });
}

}  // namespace ebb::tools
