#include "scheduler/job/best_version.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"
#include "scheduler/job/course.h"
#include "scheduler/job/rollback.h"

namespace ebb::scheduler {

namespace {

std::string FigureText(absl::string_view figure, const Evaluation& of) {
  const std::optional<double> value = FigureOf(of, figure);
  return value ? absl::StrCat(figure, " ", *value)
               : absl::StrCat("no ", figure);
}

Yardstick YardstickOfStop(const job::TrainingFacts& facts) {
  Yardstick by = YardstickOf(facts, facts.stop->figure);
  by.min_delta = facts.stop->min_delta;
  return by;
}

bool Reached(const job::TrainingFacts& facts, const Evaluation& last) {
  const job::StopRule& stop = *facts.stop;
  return stop.reach && Reaches(YardstickOfStop(facts), last, *stop.reach);
}

// `made` is not empty.
bool Stops(const job::TrainingFacts& facts,
           const std::vector<Evaluation>& made) {
  if (!facts.stop) return false;
  return Reached(facts, made.back()) ||
         CourseOf(made, YardstickOfStop(facts)).since >= facts.stop->patience;
}

// Why the rule ends a job after the last of these evaluations.
std::string WhyItStops(const job::TrainingFacts& facts,
                       const std::vector<Evaluation>& made) {
  const job::StopRule& stop = *facts.stop;
  if (Reached(facts, made.back())) {
    return absl::StrCat(FigureText(stop.figure, made.back()),
                        " reaches the wanted ", *stop.reach);
  }
  const Course course = CourseOf(made, YardstickOfStop(facts));
  return absl::StrCat(
      course.since, course.since == 1 ? " evaluation" : " evaluations",
      " without a better ", stop.figure,
      course.best == nullptr
          ? ""
          : absl::StrCat(" than that of epoch ", course.best->epoch + 1, " (",
                         *FigureOf(*course.best, stop.figure), ")"),
      course.without == 0
          ? ""
          : absl::StrCat(", ", course.without, " of them with a ", stop.figure,
                         " that is no finite number"));
}

}  // namespace

bool BestVersion::MayLease(int32_t epoch) const {
  if (!job_.training_facts.judged()) return true;
  if (!evaluations_.MayBegin(epoch)) return false;
  const std::vector<Evaluation>& made = job_.state.evaluations;
  if (made.empty() || epoch <= made.back().epoch) return true;
  return Beyond(made.back().epoch) || Look().kind == Verdict::Kind::kGoOn;
}

BestVersion::Verdict BestVersion::Look() const {
  const job::TrainingFacts& facts = job_.training_facts;
  const JobState& state = job_.state;
  if (state.evaluations.empty()) return {};
  const Evaluation& last = state.evaluations.back();
  const Evaluation* kept = state.Kept();
  if (EBB_PLANTED(best_version_is_not_the_best) && kept != &last) {
    kept = nullptr;
  }
  const bool whole = last.epoch + 1 >= job_.plan().epochs;
  const bool better = !facts.keep_best.empty() &&
                      IsBetter(YardstickOf(facts, facts.keep_best), last, kept);
  const bool stops = !whole && Stops(facts, state.evaluations);
  if (!whole && !stops) {
    if (!better) return {};
    return {.kind = Verdict::Kind::kKeep, .epoch = last.epoch};
  }
  const Evaluation& result = better || kept == nullptr ? last : *kept;
  if (cannot_end_ || (whole && &result == &last)) return {};
  return {.kind = Verdict::Kind::kEnd, .epoch = result.epoch};
}

bool BestVersion::Settle(Context* context) {
  if (!job_.training_facts.judged() || job_.state.phase != JobPhase::kRunning ||
      evaluations_.underway()) {
    return false;
  }
  const Verdict verdict = Look();
  if (verdict.kind == Verdict::Kind::kGoOn) return false;
  const int32_t last = job_.state.evaluations.back().epoch;
  if (!AtEndOf(last)) return false;
  if (verdict.epoch != last) return GoBack(verdict.epoch, context);
  std::optional<std::vector<VersionKey>> versions = VersionsAtEndOf(last);
  if (!versions) return false;
  RollbackRecord record = job_.state.rollback;
  record.versions = *std::move(versions);
  if (verdict.kind == Verdict::Kind::kEnd) {
    return End(last, std::move(record), context);
  }
  const Evaluation* before = job_.state.Kept();
  context->Log(absl::StrCat(
      "job=", job_.name(), " keeps the version of epoch ", last + 1, ", ",
      FigureText(job_.training_facts.keep_best, job_.state.evaluations.back()),
      before == nullptr
          ? ""
          : absl::StrCat("; the best before was epoch ", before->epoch + 1,
                         ", ",
                         FigureText(job_.training_facts.keep_best, *before))));
  job_.state.kept_epoch = last;
  rollbacks_.GoOnFrom(std::move(record), context);
  job_.state.chosen_in = job_.state.generation;
  return true;
}

bool BestVersion::GoBack(int32_t epoch, Context* context) {
  if (KeptIsThere()) return End(epoch, job_.state.rollback, context);
  context->Log(absl::StrCat(
      "job=", job_.name(), " cannot go back to epoch ", epoch + 1,
      ", its best by ", job_.training_facts.keep_best,
      ": a server does not have that version any more. The version of epoch ",
      job_.state.evaluations.back().epoch + 1, " is the result"));
  job_.state.kept_epoch = -1;
  job_.dirty = true;
  return Settle(context);
}

bool BestVersion::End(int32_t epoch, RollbackRecord record, Context* context) {
  std::string why = WhyItEnds(epoch);
  if (!rollbacks_.EndAfter({.epochs = epoch + 1}, std::move(record), why,
                           context)) {
    cannot_end_ = true;
    return false;
  }
  job_.state.ended = std::move(why);
  job_.state.kept_epoch = job_.training_facts.keep_best.empty() ? -1 : epoch;
  job_.state.chosen_in = job_.state.generation;
  return true;
}

std::string BestVersion::WhyItEnds(int32_t epoch) const {
  const job::TrainingFacts& facts = job_.training_facts;
  const std::vector<Evaluation>& made = job_.state.evaluations;
  const int32_t last = made.back().epoch;
  std::string why;
  if (last + 1 < job_.plan().epochs && facts.stop) {
    why = absl::StrCat("stopped after epoch ", last + 1, ": ",
                       WhyItStops(facts, made));
  }
  if (epoch == last) return why;
  const auto result = std::ranges::find(made, epoch, &Evaluation::epoch);
  return absl::StrCat(why, why.empty() ? "" : "; ", "went back from epoch ",
                      last + 1, " to epoch ", epoch + 1, ", the best by ",
                      FigureText(facts.keep_best, *result));
}

void BestVersion::Completes() {
  const std::string& figure = job_.training_facts.keep_best;
  JobState& state = job_.state;
  if (figure.empty() || state.evaluations.empty()) return;
  const Evaluation& last = state.evaluations.back();
  if (last.epoch + 1 != job_.plan().epochs ||
      !IsBetter(YardstickOf(job_.training_facts, figure), last, state.Kept())) {
    return;
  }
  state.kept_epoch = last.epoch;
  state.chosen_in = state.generation;
}

bool BestVersion::AtEndOf(int32_t epoch) const {
  const int64_t examples = (int64_t{epoch} + 1) * job_.plan().examples;
  for (int32_t p = 0; p < job_.plan().partitions; ++p) {
    const MarkSet& marks = job_.marks.marks(PartitionId(p));
    if (marks.examples() != examples || marks.first_open_epoch() <= epoch) {
      return false;
    }
  }
  return true;
}

// Items of later epochs may be full where this one is open only if what was
// stored is lost, and then the epoch is filled first.
bool BestVersion::Beyond(int32_t epoch) const {
  const int64_t examples = (int64_t{epoch} + 1) * job_.plan().examples;
  for (int32_t p = 0; p < job_.plan().partitions; ++p) {
    const MarkSet& marks = job_.marks.marks(PartitionId(p));
    const auto& partial = marks.partial();
    if (marks.examples() > examples ||
        (!partial.empty() && partial.rbegin()->first.epoch > epoch)) {
      return true;
    }
  }
  return false;
}

// Nothing is applied after the epoch, so the newest version of a partition that
// has all of it durable is of its end.
std::optional<std::vector<VersionKey>> BestVersion::VersionsAtEndOf(
    int32_t epoch) const {
  if (job_.marks.EpochsDurable() <= epoch) return std::nullopt;
  std::vector<VersionKey> versions;
  if (job_.plan().rounds()) {
    const int64_t round = (int64_t{epoch} + 1) * job_.plan().RoundsPerEpoch();
    Rollback newest = RollbackToRound(rounds_.Kept(), round, OfRound::kOpen);
    if (newest.to_round != round) return std::nullopt;
    versions = std::move(newest.record.versions);
  } else {
    versions = VersionsBefore(rounds_.Kept(), 0, job_.state.moved);
  }
  if (std::ssize(versions) != job_.plan().partitions) return std::nullopt;
  return versions;
}

bool BestVersion::KeptIsThere() const {
  const std::vector<PartitionRounds>& stored = rounds_.Kept();
  for (int32_t p = 0; p < job_.plan().partitions; ++p) {
    const VersionKey* key = job_.state.rollback.Find(PartitionId(p));
    if (key == nullptr ||
        std::ranges::find(stored[p].stored, *key, &RoundVersion::key) ==
            stored[p].stored.end()) {
      return false;
    }
  }
  return true;
}

}  // namespace ebb::scheduler
