#include "tools/text/progress_line.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/scores/figures.h"
#include "tools/text/evaluation_text.h"
#include "tools/text/lateness.h"
#include "tools/text/validation.h"

namespace ebb::tools {

namespace {

constexpr int kWidestBar = 30;
constexpr int kNarrowestBar = 10;
// Width of the reason for waiting, before other figures give way to it.
constexpr int kNarrowestWaiting = 40;

// A figure of the line. Those of the highest rank go first when the line is
// too long.
struct Figure {
  std::string text;
  int rank = 0;
};

std::string Alive(absl::string_view what, int there, int wanted) {
  return absl::StrFormat("%s %d/%d", what, there, wanted);
}

// The figure of the last evaluation that matters most; empty: there was none.
std::string TestText(const Progress& progress) {
  if (progress.test_accuracy) {
    return absl::StrFormat("%.3f", *progress.test_accuracy);
  }
  if (progress.test_rmse) {
    return absl::StrCat("rmse ", FigureText(*progress.test_rmse, 3));
  }
  if (!progress.test_loss) return "";
  return absl::StrCat("loss ", LossText(*progress.test_loss, 3));
}

// "staleness 14.9 (effective 9.4)", or the first alone if they are the same.
std::string StalenessText(const Progress& progress) {
  const auto one_digit = [](double value) {
    return absl::StrFormat("%.1f", value);
  };
  const std::string all = one_digit(*progress.staleness);
  const std::string effective =
      one_digit(progress.effective_staleness.value_or(*progress.staleness));
  return absl::StrCat(
      "staleness ", all,
      effective == all ? "" : absl::StrCat(" (effective ", effective, ")"));
}

// Adds what only jobs that learn have.
void AddLearning(const Progress& progress, std::vector<Figure>* out) {
  std::vector<Figure>& figures = *out;
  if (progress.inertia) {
    std::string text =
        absl::StrCat("inertia ", FigureText(*progress.inertia, 4));
    if (progress.runs) {
      absl::StrAppend(&text, ", best of ", *progress.runs, "/",
                      progress.examples, " runs");
    }
    figures.push_back({std::move(text), 2});
  } else if (progress.rmse) {
    figures.push_back(
        {absl::StrCat("rmse ", FigureText(*progress.rmse, 3)), 2});
  } else if (progress.loss) {
    figures.push_back({absl::StrCat("loss ", LossText(*progress.loss, 3)), 2});
  }
  if (!progress.validation.empty()) figures.push_back({progress.validation, 3});
  if (const std::string test = TestText(progress); !test.empty()) {
    figures.push_back({absl::StrCat("test ", test), 4});
  }
  if (progress.test_auc) {
    figures.push_back({absl::StrFormat("auc %.3f", *progress.test_auc), 4});
  }
  if (progress.staleness) {
    figures.push_back({StalenessText(progress), 6});
  }
  if (progress.scale && *progress.scale < 1) {
    figures.push_back({absl::StrFormat("scaled by %.2f", *progress.scale), 7});
  }
  if (progress.bound_wait.value_or(0) >= 1) {
    figures.push_back(
        {absl::StrCat("waited ", AgeText(absl::Seconds(*progress.bound_wait))),
         7});
  }
}

std::vector<Figure> Figures(const Progress& progress) {
  std::vector<Figure> figures;
  const double rate =
      progress.examples_per_second * static_cast<double>(progress.rate_factor);
  figures.push_back(
      {absl::StrCat(Short(rate), " ", progress.rate_unit, "/s"), 3});
  if (progress.taken_back > 0) {
    figures.push_back(
        {absl::StrCat(Short(static_cast<double>(progress.taken_back)),
                      " taken back"),
         2});
  }
  if (!progress.predicts) AddLearning(progress, &figures);
  figures.push_back(
      {Alive("workers", progress.workers, progress.workers_wanted), 5});
  figures.push_back(
      {Alive("servers", progress.servers, progress.servers_wanted), 5});
  if (progress.eta) {
    figures.push_back({absl::StrCat("eta ", AgeText(*progress.eta)), 1});
  }
  if (!progress.waiting.empty()) {
    figures.push_back({absl::StrCat("waiting: ", progress.waiting), 0});
  }
  return figures;
}

std::string Join(const std::vector<Figure>& figures) {
  return absl::StrJoin(figures, "  ",
                       [](std::string* out, const Figure& figure) {
                         absl::StrAppend(out, figure.text);
                       });
}

std::string Bar(double fraction, int width, const Console& console) {
  const double filled = std::clamp(fraction, 0.0, 1.0) * width;
  const int whole = static_cast<int>(filled);
  const bool half = console.unicode && whole < width && filled - whole >= 0.5;
  const auto repeat = [](absl::string_view what, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) absl::StrAppend(&out, what);
    return out;
  };
  std::string done = repeat(console.unicode ? "━" : "#", whole);
  if (half) absl::StrAppend(&done, "╸");
  const int rest = width - whole - (half ? 1 : 0);
  // Without colors the rest must look different by itself.
  const absl::string_view empty = !console.unicode ? "-"
                                  : console.color  ? "━"
                                                   : "─";
  return absl::StrCat(Paint(console, Ink::kGreen, done),
                      Paint(console, Ink::kDim, repeat(empty, rest)));
}

// Returns as much of `text` as so many columns have room for.
std::string Cut(const std::string& text, int columns, const Console& console) {
  if (DisplayWidth(text) <= columns) return text;
  const absl::string_view mark = console.unicode ? "…" : "...";
  int left = columns - DisplayWidth(mark);
  size_t end = 0;
  for (; end < text.size(); ++end) {
    const bool begins = (text[end] & 0xc0) != 0x80;  // A character.
    if (begins && left-- <= 0) break;
  }
  return absl::StrCat(text.substr(0, end), mark);
}

// How far the job is: what stands before the bar.
std::string FrontText(const Progress& progress) {
  if (progress.predicts) {
    return absl::StrCat("predicted ", WithCommas(progress.applied), "/",
                        WithCommas(progress.examples));
  }
  return absl::StrFormat("epoch %d/%d", progress.epoch, progress.epochs);
}

// Rounded down: 100 % is done.
std::string PercentText(const Progress& progress) {
  return absl::StrFormat(
      "%3d%%", static_cast<int>(std::floor(progress.fraction() * 100)));
}

void TakeFigures(const v1::JobStatus& job,
                 const v1::JobStatus::Evaluation& evaluation,
                 Progress* progress) {
  progress->test_epochs =
      evaluation.epoch() + 1 + EpochsFurther(job, evaluation);
  progress->test_loss = evaluation.loss();
  progress->test_accuracy = FigureOf(evaluation, kAccuracy);
  progress->test_auc = FigureOf(evaluation, kAuc);
  progress->test_f1 = FigureOf(evaluation, kF1);
  progress->test_rmse = FigureOf(evaluation, kRmse);
  progress->test_mae = FigureOf(evaluation, kMae);
  progress->test_r2 = FigureOf(evaluation, kR2);
  progress->test_calibration_error = FigureOf(evaluation, kCalibrationError);
}

}  // namespace

std::optional<double> TrainingRmse(const v1::JobStatus& job, double loss) {
  if (!job.squared_loss()) return std::nullopt;
  return std::sqrt(2 * loss);
}

std::string RateText(double rate_factor, int32_t nonfinite_rollbacks) {
  // An older scheduler says 0.
  if ((rate_factor == 1 || rate_factor == 0) && nonfinite_rollbacks == 0) {
    return "";
  }
  std::string text =
      absl::StrCat(rate_factor, " times the rate of the job file");
  if (nonfinite_rollbacks > 0) {
    absl::StrAppend(&text, ", after ", Count(nonfinite_rollbacks, "rollback"),
                    " by itself");
  }
  return text;
}

std::optional<double> MeanOfHistogram(const std::vector<int64_t>& histogram) {
  double count = 0;
  double sum = 0;
  for (size_t value = 0; value < histogram.size(); ++value) {
    count += static_cast<double>(histogram[value]);
    sum += static_cast<double>(value) * static_cast<double>(histogram[value]);
  }
  if (count == 0) return std::nullopt;
  return sum / count;
}

int64_t QuantileOfHistogram(const std::vector<int64_t>& histogram,
                            double share) {
  int64_t count = 0;
  for (const int64_t bucket : histogram) count += bucket;
  const auto target =
      static_cast<int64_t>(std::ceil(share * static_cast<double>(count)));
  int64_t sum = 0;
  for (size_t value = 0; value < histogram.size(); ++value) {
    sum += histogram[value];
    if (sum >= target && sum > 0) return static_cast<int64_t>(value);
  }
  return 0;
}

Progress ProgressOf(const v1::GetStatusResponse& status, int workers,
                    int servers) {
  Progress progress;
  progress.workers = status.workers_size();
  progress.workers_wanted = std::max(workers, progress.workers);
  for (const v1::ServerStatus& server : status.servers()) {
    progress.servers += server.connected() ? 1 : 0;
  }
  progress.servers_wanted = std::max(servers, status.servers_size());
  if (status.jobs().empty()) return progress;

  const v1::JobStatus& job = status.jobs(0);
  progress.epochs = job.summary().epochs();
  progress.examples = job.examples();
  progress.applied = job.applied_min();
  const int64_t per_epoch = std::max<int64_t>(
      1, progress.examples / std::max<int64_t>(1, progress.epochs));
  progress.epoch = std::min(progress.applied / per_epoch + 1, progress.epochs);
  progress.examples_per_second = job.examples_per_second();
  if (job.example_tokens() > 0) {
    progress.rate_unit = "tokens";
    progress.rate_factor = job.example_tokens();
  }
  if (job.has_recent_loss()) {
    progress.loss = job.recent_loss();
    progress.rmse = TrainingRmse(job, job.recent_loss());
  }
  if (job.has_inertia()) {
    progress.inertia = job.inertia().sum();
    if (job.inertia().epoch() < 0) progress.runs = progress.applied;
  }
  progress.validation = ValidationText(job);
  for (const auto& evaluation : job.evaluations()) {
    if (evaluation.error().empty()) TakeFigures(job, evaluation, &progress);
  }
  progress.staleness =
      MeanOfHistogram({job.staleness().begin(), job.staleness().end()});
  progress.scale = MeanFactor(job.scaled());
  progress.effective_staleness = EffectiveStaleness(job.scaled());
  progress.bound_wait = BoundWaitSeconds(job);
  if (progress.examples_per_second > 0 &&
      progress.applied < progress.examples) {
    progress.eta = absl::Seconds(
        static_cast<double>(progress.examples - progress.applied) /
        progress.examples_per_second);
  }
  // While the job advances, waiting is not news.
  if (!job.waiting().empty() && job.examples_per_second() <= 0) {
    // `ebb explain` says what to do about it: a line has no room.
    progress.waiting = WithoutAdvice(job.waiting(0).text());
  }
  return progress;
}

std::string WithoutAdvice(absl::string_view reason) {
  reason = reason.substr(0, reason.find(" What to do: "));
  return std::string(absl::StripSuffix(reason, "."));
}

std::string ProgressLine(const Progress& progress, const Console& console) {
  const std::string front = FrontText(progress);
  const std::string percent = PercentText(progress);
  std::vector<Figure> figures = Figures(progress);
  std::string waiting;  // All of it.
  if (!progress.waiting.empty()) {
    waiting = figures.back().text;
    figures.back().text = Cut(waiting, kNarrowestWaiting, console);
  }
  const auto rest = [&] {
    return absl::StrCat(" ", percent, figures.empty() ? "" : "  ",
                        Join(figures));
  };
  // One column stays free: a full line would wrap on some terminals.
  const auto room = [&] {
    return console.columns - 1 - DisplayWidth(front) - 1 - DisplayWidth(rest());
  };
  while (room() < kNarrowestBar && !figures.empty()) {
    figures.erase(std::ranges::max_element(figures, {}, &Figure::rank));
  }
  if (!waiting.empty() && !figures.empty()) {
    std::string& text = figures.back().text;
    const int more = std::max(0, room() - kNarrowestBar);
    text = Cut(waiting, DisplayWidth(text) + more, console);
  }
  const int width = std::clamp(room(), 0, kWidestBar);
  return absl::StrCat(front, " ", Bar(progress.fraction(), width, console),
                      rest());
}

std::string ProgressLogLine(const Progress& progress) {
  return absl::StrCat(FrontText(progress), " ", PercentText(progress), "  ",
                      Join(Figures(progress)));
}

}  // namespace ebb::tools
