#include "tools/ebb/generate/generation.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "tools/files/files.h"
#include "tools/files/output_file.h"
#include "tools/process/signals.h"
#include "tools/text/console.h"
#include "tools/text/read_json.h"

namespace ebb::tools {

namespace {

using data::generate::Fact;
using data::generate::Generator;
using data::generate::Part;

constexpr size_t kPieceBytes = 256 << 10;

void Record(const std::vector<Fact>& facts, Json* json) {
  for (const Fact& fact : facts) {
    Json& member = (*json)[fact.name];
    std::visit(
        [&member](const auto& value) {
          if constexpr (requires { value.begin(); }) {
            member = Json::List();
            for (const auto& one : value) member.Add(one);
          } else {
            member = value;
          }
        },
        fact.value);
  }
}

// One line that is written over on a terminal; in a log, a line now and then.
class ProgressShown {
 public:
  explicit ProgressShown(int64_t rows)
      : rows_(rows), terminal_(isatty(STDERR_FILENO) == 1) {}
  ~ProgressShown() { Clear(); }

  void Show(int64_t done) {
    const absl::Time now = SteadyNow();
    if (now < next_ || done == rows_) return;
    next_ = now + every_;
    const double share = static_cast<double>(done) / static_cast<double>(rows_);
    const absl::Duration past = now - start_;
    std::cerr << (terminal_ ? "\r" : "")
              << absl::StrFormat("%3.0f%%  %s rows/s  eta %s", 100 * share,
                                 Short(static_cast<double>(done) /
                                       absl::ToDoubleSeconds(past)),
                                 DurationText(past * (1 / share - 1)))
              << (terminal_ ? "\x1b[K" : "\n") << std::flush;
    shown_ = true;
  }
  void Clear() {
    if (terminal_ && shown_) std::cerr << "\r\x1b[K" << std::flush;
    shown_ = false;
  }
  absl::Duration past() const { return SteadyNow() - start_; }

 private:
  const int64_t rows_;
  const bool terminal_;
  const absl::Time start_ = SteadyNow();
  const absl::Duration every_ =
      terminal_ ? absl::Milliseconds(200) : absl::Seconds(10);
  absl::Time next_ = start_ + every_;
  bool shown_ = false;
};

// Everything of one call.
class Writer {
 public:
  Writer(const GenerationTarget& target, Generator* generator, Json truth,
         SignalWaiter signals)
      : target_(target),
        generator_(*generator),
        truth_(std::move(truth)),
        signals_(std::move(signals)),
        progress_(target.rows + target.test_rows) {}

  absl::Status Write() {
    EBB_RETURN_IF_ERROR(CheckTarget());
    truth_["model"] = Json::Object();
    Record(generator_.Model(), &truth_["model"]);
    EBB_RETURN_IF_ERROR(WritePart(Part::kTrain, "train", target_.rows));
    if (target_.test_rows > 0) {
      EBB_RETURN_IF_ERROR(WritePart(Part::kTest, "test", target_.test_rows));
    }
    EBB_ASSIGN_OR_RETURN(OutputFile truth,
                         OutputFile::Create(Path(".truth.json"), false));
    EBB_RETURN_IF_ERROR(truth.Append(truth_.ToString()));
    EBB_RETURN_IF_ERROR(truth.Close());
    whole_.push_back(std::move(truth));
    std::vector<std::string> stale = FilesBefore();
    for (OutputFile& file : whole_) {
      std::erase(stale, file.path());
      EBB_RETURN_IF_ERROR(file.Publish());
    }
    // They belong to another data set: they must not look like parts of this
    // one.
    for (const std::string& path : stale) std::remove(path.c_str());
    const absl::Duration past = progress_.past();
    progress_.Clear();
    std::cout << (target_.json ? truth_.ToString()
                               : absl::StrCat(summary_, Path(".truth.json"),
                                              ": what is true of them\n",
                                              Speed(past), "\n"));
    return absl::OkStatus();
  }

 private:
  std::string Path(absl::string_view suffix) const {
    return absl::StrCat(target_.name, suffix);
  }
  std::vector<std::string> PartPaths(absl::string_view part) const {
    std::vector<std::string> paths;
    for (const std::string& suffix : generator_.Suffixes()) {
      paths.push_back(absl::StrCat(target_.name, ".", part, suffix,
                                   target_.gzip ? ".gz" : ""));
    }
    return paths;
  }

  // Returns the files of the data set that is replaced, as its truth says.
  std::vector<std::string> FilesBefore() const {
    const std::string path = Path(".truth.json");
    const auto text = ReadFile(path);
    if (!text.ok()) return {};
    const auto truth = ParseJsonObject(*text, path);
    if (!truth.ok()) return {};
    const std::filesystem::path name(target_.name);
    const std::string front = name.filename().string() + ".";
    std::vector<std::string> paths;
    for (const std::string part : {"train", "test"}) {
      const auto& fields = truth->fields();
      const auto it = fields.find(part);
      if (it == fields.end()) continue;
      for (const auto& file :
           ListIn(it->second.struct_value(), "files").values()) {
        const std::string& own = file.string_value();
        if (!absl::StartsWith(own, front) || absl::StrContains(own, '/')) {
          continue;  // Not ours.
        }
        paths.push_back(absl::StrCat(
            target_.name, absl::StripPrefix(own, name.filename().string())));
      }
    }
    return paths;
  }

  absl::Status CheckTarget() const {
    if (target_.name.empty() || absl::EndsWith(target_.name, "/")) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", target_.name,
          "\" names no files; write the front of their names, such as ",
          target_.name, "mine"));
    }
    const int64_t most = generator_.most_rows();
    EBB_RETURN_IF_ERROR(
        data::generate::CheckBetween("--rows", target_.rows, int64_t{1}, most));
    EBB_RETURN_IF_ERROR(data::generate::CheckBetween(
        "--test-rows", target_.test_rows, int64_t{0}, most));
    if (target_.test_rows > most - target_.rows) {
      return absl::InvalidArgumentError(absl::StrCat(
          WithCommas(target_.rows), " rows and ", WithCommas(target_.test_rows),
          " test rows are more than the ", WithCommas(most),
          " that there can be"));
    }
    std::vector<std::string> paths = {Path(".truth.json")};
    for (const absl::string_view part : {"train", "test"}) {
      for (std::string& path : PartPaths(part)) paths.push_back(path);
    }
    for (const std::string& path : paths) {
      std::error_code error;
      if (std::filesystem::is_directory(path, error)) {
        return absl::InvalidArgumentError(
            absl::StrCat(path, " is a folder; write another name"));
      }
      if (!target_.force && std::filesystem::exists(path, error)) {
        return absl::AlreadyExistsError(
            absl::StrCat(path, " is there already; --force replaces it"));
      }
    }
    return absl::OkStatus();
  }

  absl::Status WritePart(Part part, absl::string_view name, int64_t rows) {
    std::vector<OutputFile> files;
    for (const std::string& path : PartPaths(name)) {
      EBB_ASSIGN_OR_RETURN(OutputFile file,
                           OutputFile::Create(path, target_.gzip));
      files.push_back(std::move(file));
    }
    std::vector<std::string> pieces(files.size());
    std::vector<int64_t> bytes(files.size());
    generator_.Start(part, rows, pieces);
    for (int64_t row = 0; row < rows; ++row) {
      generator_.Append(row, pieces);
      ++done_;
      if (pieces[0].size() < kPieceBytes && row + 1 < rows) continue;
      for (size_t i = 0; i < files.size(); ++i) {
        EBB_RETURN_IF_ERROR(files[i].Append(pieces[i]));
        bytes[i] += static_cast<int64_t>(pieces[i].size());
        pieces[i].clear();
      }
      if (signals_.Wait(absl::ZeroDuration()).interrupts > 0) {
        return absl::CancelledError("interrupted; nothing was kept");
      }
      progress_.Show(done_);
    }
    Json& truth = truth_[name];
    truth["files"] = Json::List();
    for (size_t i = 0; i < files.size(); ++i) {
      EBB_RETURN_IF_ERROR(files[i].Close());
      absl::StrAppend(&summary_, files[i].path(), ": ", Count(rows, "row"),
                      ", ", BytesText(bytes[i]),
                      target_.gzip ? " before compression" : "", "\n");
      truth["files"].Add(
          std::filesystem::path(files[i].path()).filename().string());
      whole_.push_back(std::move(files[i]));
    }
    truth["rows"] = rows;
    Record(generator_.Known(), &truth);
    for (const Fact& fact : generator_.Known()) {
      if (const auto* number = std::get_if<double>(&fact.value)) {
        absl::StrAppend(&summary_,
                        absl::StrFormat("  %-26s%.6g\n", fact.name, *number));
      }
    }
    return absl::OkStatus();
  }

  std::string Speed(absl::Duration past) const {
    return absl::StrCat(
        Count(done_, "row"), " in ", DurationText(past), ": ",
        Short(static_cast<double>(done_) / absl::ToDoubleSeconds(past)),
        " rows/s");
  }

  const GenerationTarget& target_;
  Generator& generator_;
  Json truth_;
  SignalWaiter signals_;
  ProgressShown progress_;
  std::vector<OutputFile> whole_;  // Not published yet.
  std::string summary_;
  int64_t done_ = 0;
};

}  // namespace

absl::Status WriteGenerated(const GenerationTarget& target,
                            Generator* generator, Json truth) {
  EBB_ASSIGN_OR_RETURN(SignalWaiter signals, SignalWaiter::Create());
  return Writer(target, generator, std::move(truth), std::move(signals))
      .Write();
}

}  // namespace ebb::tools
