// Text in the OpenMetrics format, version 1.0 (openmetrics.io), which
// Prometheus and its kin scrape.
//
//   OpenMetrics text;
//   text.Counter("ebb_server_push_bytes", "Bytes of pushes that came")
//       .Add(bytes);
//   text.Gauge("ebb_scheduler_jobs", "Jobs by their state")
//       .Add(2, {{"state", "running"}});
//   return std::move(text).Text();
#ifndef EBB_COMMON_METRICS_OPEN_METRICS_H_
#define EBB_COMMON_METRICS_OPEN_METRICS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/metrics/histogram.h"

namespace ebb::metrics {

// Name and value, in the order in which they are written.
using Labels = std::vector<std::pair<absl::string_view, std::string>>;

// Thread-compatible.
class OpenMetrics {
 public:
  // One metric's samples. Names are [a-z][a-z0-9_]*, begin with "ebb_" or
  // "process_", and end with their unit, if they have one: seconds or bytes.
  // Each is begun once; its samples are added before the next one begins.
  class Family {
   public:
    Family& Add(double value, const Labels& labels = {});
    Family& Add(const HistogramSnapshot& snapshot, const Labels& labels = {});

   private:
    friend class OpenMetrics;
    Family(OpenMetrics* text, absl::string_view name, absl::string_view suffix)
        : text_(text), name_(name), suffix_(suffix) {}

    OpenMetrics* const text_;  // Not owned.
    const std::string name_;
    const std::string suffix_;  // Suffix of a sample that is one number.
  };

  // A value that only grows while the process lives. Without "_total", which is
  // added.
  Family Counter(absl::string_view name, absl::string_view help);
  Family Gauge(absl::string_view name, absl::string_view help);
  Family Histogram(absl::string_view name, absl::string_view help);

  std::string Text() &&;

  static constexpr absl::string_view kContentType =
      "application/openmetrics-text; version=1.0.0; charset=utf-8";

 private:
  Family Begin(absl::string_view name, absl::string_view type,
               absl::string_view suffix, absl::string_view help);

  std::string text_;
};

}  // namespace ebb::metrics

#endif  // EBB_COMMON_METRICS_OPEN_METRICS_H_
