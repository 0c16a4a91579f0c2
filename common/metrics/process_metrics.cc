#include "common/metrics/process_metrics.h"

#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"

namespace ebb::metrics {

namespace {

// The fields of /proc/self/stat (proc(5)) after the name, which may have any
// character in it: the first is number 3 there.
std::vector<std::string> StatFields() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const size_t end = line.rfind(") ");
  if (end == std::string::npos) return {};
  return absl::StrSplit(line.substr(end + 2), ' ');
}

std::optional<double> Field(const std::vector<std::string>& fields,
                            size_t number) {
  constexpr size_t kFirst = 3;
  double value = 0;
  if (number - kFirst >= fields.size() ||
      !absl::SimpleAtod(fields[number - kFirst], &value)) {
    return std::nullopt;
  }
  return value;
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) +
         static_cast<double>(time.tv_usec) * 1e-6;
}

std::optional<double> StartUnixSeconds(const std::vector<std::string>& fields) {
  constexpr size_t kStartTime = 22;
  const auto ticks = Field(fields, kStartTime);
  std::ifstream file("/proc/uptime");
  double uptime = 0;
  if (!ticks || !(file >> uptime)) return std::nullopt;
  const auto per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  return absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()) - uptime +
         *ticks / per_second;
}

}  // namespace

void AddProcess(absl::string_view program, absl::string_view version,
                OpenMetrics* text) {
  text->Gauge("ebb_build_info", "Which program this is; always 1")
      .Add(1, {{"program", std::string(program)},
               {"version", std::string(version)}});
  rusage usage = {};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    text->Counter("process_cpu_seconds", "CPU time, of the user and the system")
        .Add(Seconds(usage.ru_utime) + Seconds(usage.ru_stime));
  }
  const std::vector<std::string> fields = StatFields();
  constexpr size_t kVirtualBytes = 23, kResidentPages = 24;
  if (const auto bytes = Field(fields, kVirtualBytes)) {
    text->Gauge("process_virtual_memory_bytes", "Size of virtual memory")
        .Add(*bytes);
  }
  if (const auto pages = Field(fields, kResidentPages)) {
    text->Gauge("process_resident_memory_bytes", "Size of resident memory")
        .Add(*pages * static_cast<double>(sysconf(_SC_PAGESIZE)));
  }
  if (const auto start = StartUnixSeconds(fields)) {
    text->Gauge("process_start_time_seconds", "When it began, in Unix time")
        .Add(*start);
  }
  std::error_code error;
  std::filesystem::directory_iterator files("/proc/self/fd", error);
  if (!error) {
    text->Gauge("process_open_fds", "Open file descriptors")
        .Add(static_cast<double>(
            std::distance(begin(files), std::filesystem::end(files))));
  }
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    text->Gauge("process_max_fds", "Open file descriptors, at most")
        .Add(static_cast<double>(limit.rlim_cur));
  }
}

}  // namespace ebb::metrics
