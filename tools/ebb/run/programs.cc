#include "tools/ebb/run/programs.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "ebb/v1/specification.pb.h"
#include "tools/files/file_end.h"
#include "tools/files/files.h"
#include "tools/text/daemon_names.h"
#include "tools/text/shell_word.h"

namespace ebb::tools {

namespace {

// A job is paused before the program that is to blame has said why, and has
// ended.
constexpr absl::Duration kLastWords = absl::Seconds(3);
// How much is read of a log, which may be large.
constexpr size_t kMostLastBytes = 64 * 1024;

bool Waits(const v1::JobStatus::Quarantined& one) { return !one.skip_wanted(); }

// Why a job is paused.
std::string WhyPaused(const v1::JobStatus& job) {
  const auto bad = std::ranges::find_if(job.quarantined(), Waits);
  if (bad != job.quarantined().end()) {
    return absl::StrCat(
        "item (epoch ", bad->item().epoch() + 1, ", shard ",
        bad->item().shard() + 1, ") failed ", bad->failures(),
        bad->failures() == 1 ? " time: " : " times: ", bad->error());
  }
  const std::string texts = absl::StrJoin(
      job.waiting(), "; ", [](std::string* out, const v1::WaitReason& reason) {
        absl::StrAppend(out, reason.text());
      });
  return texts.empty() ? "`ebb explain` says why" : texts;
}

bool IsNonFinite(const v1::JobStatus& job) {
  return std::ranges::any_of(
      job.quarantined(), [](const auto& item) { return item.non_finite(); });
}

}  // namespace

std::string CommandToGoOn(const ProgramCommand& command,
                          absl::string_view folder) {
  std::vector<std::string> words = {"ebb",          "run",
                                    command.script, "--resume",
                                    "--run-dir",    std::string(folder)};
  if (!command.arguments.empty()) words.emplace_back("--");
  words.insert(words.end(), command.arguments.begin(), command.arguments.end());
  return absl::StrJoin(words, " ", [](std::string* out, const std::string& w) {
    absl::StrAppend(out, ShellWord(w));
  });
}

bool IsHeld(const v1::JobStatus& job) {
  if (!job.quarantined().empty()) {
    return std::ranges::any_of(job.quarantined(), Waits);
  }
  return job.summary().state() == v1::JOB_STATE_PAUSED &&
         !job.paused_by_operator();
}

Programs::Programs(ProgramCommand command, std::string python, int count,
                   const RunFolder* folder)
    : command_(std::move(command)),
      python_(std::move(python)),
      count_(count),
      folder_(*folder) {}

absl::Status Programs::Start(LocalCluster* cluster, RunJob* job) {
  cluster_ = cluster;
  run_job_ = job;
  for (int i = 0; i < count_; ++i) {
    const std::string name = WorkerName(i);
    std::error_code none;
    const auto size = std::filesystem::file_size(folder_.Log(name), none);
    log_begins_[name] = none ? 0 : static_cast<size_t>(size);
    EBB_RETURN_IF_ERROR(cluster->AddWorker(name));
  }
  return absl::OkStatus();
}

bool Programs::Has(absl::string_view daemon) const {
  return log_begins_.contains(std::string(daemon));
}

bool Programs::JobIsOver() const {
  const v1::JobState state =
      has_job() ? jobs_.back().summary().state() : v1::JOB_STATE_UNSPECIFIED;
  return state == v1::JOB_STATE_FLUSHING || state == v1::JOB_STATE_COMPLETE ||
         state == v1::JOB_STATE_CANCELLED;
}

std::vector<std::string> Programs::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, begin] : log_begins_) names.push_back(name);
  return names;
}

bool Programs::AllFinished() const {
  return std::ranges::all_of(log_begins_, [this](const auto& one) {
    return cluster_->Finished(one.first);
  });
}

std::string Programs::LastWords(const DaemonEvent& event) const {
  const std::string words = LogTail(ReadEnd(
      folder_.Log(event.daemon), log_begins_.at(event.daemon), kMostLastBytes));
  std::string text = absl::StrCat(event.daemon, " ", ProgramEndText(event.end),
                                  "; its log, ", folder_.shown(), "/logs/",
                                  event.daemon, ".log, ends:\n", words);
  const size_t last = words.rfind('\n');
  if (absl::StrContains(words.substr(last == words.npos ? 0 : last),
                        "ModuleNotFoundError: ")) {
    absl::StrAppend(&text, "\n  hint: ", python_,
                    " ran it; EBB_PYTHON names another interpreter");
  }
  return text;
}

std::string Programs::AddEnd(const DaemonEvent& event) {
  if (event.finished) return absl::StrCat(event.daemon, " has finished");
  const bool planned = event.as_told;
  if (!planned) {
    last_words_ = LastWords(event);
    ProgramEnd end{event.daemon, event.end, planned, event.life};
    pid_t noted = 0;
    end.own_error =
        absl::SimpleAtoi(ReadFile(cluster_->NoteOf(event.daemon)).value_or(""),
                         &noted) &&
        noted == event.pid;
    end.has_job = has_job() || JobIsThere();
    if (ends_.EndsRun(end) && problem_.empty()) problem_ = last_words_;
  }
  std::error_code none;
  const auto size = std::filesystem::file_size(folder_.Log(event.daemon), none);
  if (!none) log_begins_[event.daemon] = static_cast<size_t>(size);
  return absl::StrCat(event.daemon, " ", ProgramEndText(event.end),
                      planned ? ", as planned" : "");
}

bool Programs::JobIsThere() const {
  // It may have been submitted just now.
  const auto all = run_job_->All();
  return all.ok() && !all->jobs().empty();
}

bool Programs::See(v1::GetStatusResponse* status) {
  // A scheduler that just came back may not know its jobs yet.
  if (status->jobs().empty()) return false;
  jobs_.assign(status->jobs().begin(), status->jobs().end());
  std::ranges::sort(
      jobs_, {}, [](const v1::JobStatus& job) { return job.summary().job(); });
  status->clear_jobs();
  *status->add_jobs() = jobs_.back();
  const uint64_t newest = jobs_.back().summary().job();
  if (newest == run_job_->id()) return false;
  run_job_->Follow(newest);
  return true;
}

bool Programs::LearnJob() {
  if (!has_job()) return false;
  const v1::JobSummary& summary = jobs_.back().summary();
  if (written_ != summary.job()) WriteJob(summary);
  if (learned_ == summary.job()) return false;
  const auto stored = run_job_->Stored();
  if (!stored.ok()) return false;  // It is asked again.
  learned_ = summary.job();
  v1::Specification specification;
  job_.Clear();
  if (specification.ParseFromString(stored->record().specification())) {
    job_ = specification.job();
  }
  if (job_.name().empty()) job_.set_name(summary.name());
  if (job_.train().epochs() == 0) {
    job_.mutable_train()->set_epochs(summary.epochs());
  }
  return true;
}

void Programs::WriteJob(const v1::JobSummary& summary) {
  const absl::Status written = WriteFile(
      folder_.File("program.yaml"),
      absl::StrCat("# The newest job of the program, which submits it: ebb run "
                   "takes the program.\nname: ",
                   summary.name(), "\ntrain:\n  epochs: ", summary.epochs(),
                   "\n"));
  if (written.ok()) written_ = summary.job();  // Else it waits for room.
}

std::string Programs::WhyHeld() const {
  std::vector<std::string> texts;
  for (const v1::JobStatus& job : jobs_) {
    if (!IsHeld(job)) continue;
    texts.push_back(absl::StrCat(
        job.summary().name(), " is paused: ", WhyPaused(job), "\n",
        last_words_.empty() ? "" : absl::StrCat(last_words_, "\n"),
        "  hint: mend the cause, then `",
        CommandToGoOn(command_, folder_.shown()), "` goes on",
        job.quarantined().empty() ? "" : ", and with --skip without the batch",
        IsNonFinite(job)
            ? "; settings={\"on_nonfinite\": \"skip\"} of the program's job "
              "leaves such batches out in each epoch"
            : ""));
  }
  return absl::StrJoin(texts, "\n");
}

std::string Programs::WhyOver(absl::Time now) {
  if (!problem_.empty()) return problem_;
  if (std::ranges::none_of(jobs_, IsHeld)) {
    held_since_ = absl::InfiniteFuture();
    return "";
  }
  held_since_ = std::min(held_since_, now);
  if (last_words_.empty() && now - held_since_ <= kLastWords) return "";
  return WhyHeld();
}

}  // namespace ebb::tools
