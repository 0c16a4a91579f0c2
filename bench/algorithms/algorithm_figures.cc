#include "bench/algorithms/algorithm_figures.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "common/status_macros.h"
#include "tools/text/console.h"
#include "tools/text/json.h"
#include "tools/text/read_json.h"

namespace ebb::tools {

namespace {

using google::protobuf::Struct;

Json OrNull(const std::optional<double>& value) {
  return value ? Json(*value) : Json();
}

std::optional<double> OptionalIn(const Struct& json, const std::string& key) {
  const double value = NumberIn(json, key, std::nan(""));
  return std::isnan(value) ? std::nullopt : std::optional(value);
}

int64_t IntegerIn(const Struct& json, const std::string& key) {
  return static_cast<int64_t>(NumberIn(json, key, 0));
}

}  // namespace

std::optional<LossPoint> AlgorithmFigures::Reached(double loss) const {
  const auto it = std::ranges::find_if(
      curve, [loss](const LossPoint& point) { return point.loss <= loss; });
  return it == curve.end() ? std::nullopt : std::optional(*it);
}

std::optional<double> AlgorithmFigures::LossAt(double share) const {
  if (curve.empty()) return std::nullopt;
  const auto wanted = share * static_cast<double>(examples);
  const auto it = std::ranges::find_if(curve, [&](const LossPoint& point) {
    return static_cast<double>(point.examples) >= wanted;
  });
  return it == curve.end() ? curve.back().loss : it->loss;
}

std::optional<double> AlgorithmFigures::Rate(double from, double to) const {
  const LossPoint* first = nullptr;
  const LossPoint* last = nullptr;
  for (const LossPoint& point : curve) {
    const double share =
        static_cast<double>(point.examples) / static_cast<double>(examples);
    if (share < from) continue;
    if (share > to) break;
    if (first == nullptr) first = &point;
    last = &point;
  }
  if (first == nullptr || last->seconds <= first->seconds) return std::nullopt;
  return static_cast<double>(last->examples - first->examples) /
         (last->seconds - first->seconds);
}

std::string FiguresJson(const AlgorithmFigures& figures) {
  Json json = Json::Object();
  json["data"] = figures.data;
  json["algorithm"] = figures.algorithm;
  json["workers"] = figures.workers;
  json["period"] = figures.period;
  json["churn"] = figures.churn;
  json["disturbance"] = figures.disturbance;
  json["seed"] = figures.seed;
  json["at_once"] = figures.at_once;
  json["settings"] = figures.settings;
  json["machine"] = figures.machine;
  json["build"] = figures.build;
  json["commit"] = figures.commit;
  json["measured"] = figures.measured;
  json["seconds"] = figures.seconds;
  json["took_seconds"] = figures.took_seconds;
  json["examples"] = figures.examples;
  json["bytes"] = figures.bytes;
  json["worker_seconds"] = figures.worker_seconds;
  json["waited_seconds"] = figures.waited_seconds;
  json["accuracy"] = OrNull(figures.accuracy);
  json["test_loss"] = OrNull(figures.test_loss);
  json["score"] = OrNull(figures.score);
  json["staleness"] = OrNull(figures.staleness);
  json["staleness_p99"] = figures.staleness_p99;
  json["recomputed"] = figures.recomputed;
  json["missing"] = figures.missing;
  json["doubled"] = figures.doubled;
  json["restarts"] = figures.restarts;
  json["cpu_seconds"] = figures.cpu_seconds;
  json["server_cores"] = figures.server_cores;
  json["failure"] = figures.failure;
  json["curve"] = Json::List();
  for (const LossPoint& point : figures.curve) {
    Json one = Json::List();
    one.Add(point.seconds);
    one.Add(point.examples);
    one.Add(point.loss);
    json["curve"].Add(std::move(one));
  }
  return json.ToString();
}

absl::StatusOr<AlgorithmFigures> ReadAlgorithmFigures(absl::string_view json) {
  EBB_ASSIGN_OR_RETURN(const Struct object, ParseJsonObject(json, "it"));
  AlgorithmFigures figures = {
      .data = TextIn(object, "data"),
      .algorithm = TextIn(object, "algorithm"),
      .workers = static_cast<int>(IntegerIn(object, "workers")),
      .period = static_cast<int>(IntegerIn(object, "period")),
      .churn = FlagIn(object, "churn"),
      .disturbance = TextIn(object, "disturbance"),
      .seed = static_cast<int>(IntegerIn(object, "seed")),
      .at_once = IntegerIn(object, "at_once"),
      .settings = TextIn(object, "settings"),
      .machine = TextIn(object, "machine"),
      .build = TextIn(object, "build"),
      .commit = TextIn(object, "commit"),
      .measured = TextIn(object, "measured"),
      .seconds = NumberIn(object, "seconds", 0),
      .took_seconds = NumberIn(object, "took_seconds", 0),
      .examples = IntegerIn(object, "examples"),
      .bytes = IntegerIn(object, "bytes"),
      .worker_seconds = NumberIn(object, "worker_seconds", 0),
      .waited_seconds = NumberIn(object, "waited_seconds", 0),
      .accuracy = OptionalIn(object, "accuracy"),
      .test_loss = OptionalIn(object, "test_loss"),
      .score = OptionalIn(object, "score"),
      .staleness = OptionalIn(object, "staleness"),
      .staleness_p99 = IntegerIn(object, "staleness_p99"),
      .recomputed = IntegerIn(object, "recomputed"),
      .missing = IntegerIn(object, "missing"),
      .doubled = IntegerIn(object, "doubled"),
      .restarts = IntegerIn(object, "restarts"),
      .cpu_seconds = NumberIn(object, "cpu_seconds", 0),
      .server_cores = NumberIn(object, "server_cores", 0),
      .failure = TextIn(object, "failure")};
  if (figures.data.empty() || figures.algorithm.empty()) {
    return absl::DataLossError("it names no run");
  }
  for (const auto& one : ListIn(object, "curve").values()) {
    const auto& point = one.list_value().values();
    if (point.size() != 3) return absl::DataLossError("its curve is none");
    figures.curve.push_back(
        {.seconds = point[0].number_value(),
         .examples = static_cast<int64_t>(point[1].number_value()),
         .loss = point[2].number_value()});
  }
  return figures;
}

std::string WhereTheyRan(const std::vector<AlgorithmFigures>& all) {
  if (all.empty()) return "";
  std::set<std::string> commits;
  double seconds = 0;
  std::string first = all.front().measured, last = first;
  for (const AlgorithmFigures& one : all) {
    commits.insert(one.commit);
    seconds += one.took_seconds;
    first = std::min(first, one.measured);
    last = std::max(last, one.measured);
  }
  return absl::StrFormat(
      "Machine: %s; build %s; commit %s; %d runs of %s together, "
      "%s to %s.\n",
      all.front().machine, all.front().build, absl::StrJoin(commits, ", "),
      all.size(), DurationText(absl::Seconds(seconds)), first, last);
}

}  // namespace ebb::tools
