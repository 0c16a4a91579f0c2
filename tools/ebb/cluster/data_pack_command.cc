// `ebb data pack`.
#include <algorithm>
#include <atomic>
#include <csignal>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/kill_point.h"
#include "common/status_macros.h"
#include "data/byte_source.h"
#include "data/pack/packer.h"
#include "data/source.h"
#include "data/tokens/token_packer.h"
#include "data/tokens/token_reader.h"
#include "job/base/traits.h"
#include "job/validate.h"
#include "job/yaml.h"
#include "tools/command/command.h"
#include "tools/ebb/cluster/parquet_rows.h"
#include "tools/ebb/cluster/shown_line.h"
#include "tools/text/console.h"
#include "tools/text/json.h"
#include "worker/job_data.h"

namespace ebb::tools {

namespace {

namespace pack = data::pack;
namespace tokens = data::tokens;

struct PackFlags {
  std::string source;
  std::string folder;
  std::vector<std::string> set;
  std::optional<double> split;
  uint64_t seed = 1;
  int64_t window = 0;
  bool raw = false;
  bool quiet = false;
  bool json = false;
  std::string kill_at;
  // With --tokens.
  std::optional<int64_t> tokens;
  std::string dtype;
  std::optional<int64_t> document_end;
  int64_t vocabulary = 0;
};

std::atomic<bool> pack_is_interrupted = false;

std::string ProgressText(const pack::PackProgress& progress) {
  return absl::StrCat(
      progress.set, progress.set.empty() ? "" : ": ",
      progress.writing ? "writing " : "reading ", WithCommas(progress.examples),
      progress.total > 0 ? absl::StrCat(" of ", WithCommas(progress.total))
                         : "",
      " examples");
}

bool IsJobFile(const std::string& source) {
  return absl::EndsWith(source, ".yaml") || absl::EndsWith(source, ".yml");
}

// "csv:table.csv" as a job that would read it.
absl::StatusOr<std::string> JobTextOf(const std::string& given) {
  // Parquet files are read as CSV.
  const bool plain = IsParquet(given) && !absl::StartsWith(given, "csv:");
  const std::string source = plain ? absl::StrCat("csv:", given) : given;
  const size_t colon = source.find(':');
  const std::string format = source.substr(0, colon);
  if (colon == std::string::npos || colon == 0 || colon + 1 == source.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        source, " is neither a job file (.yaml) nor FORMAT:PATH\nhint: csv:",
        source, ", or libsvm, libffm, criteo, ratings, idx, images or tar"));
  }
  std::string path;
  for (const char c : source.substr(colon + 1)) {
    if (c == '"' || c == '\\') path.push_back('\\');
    path.push_back(c);
  }
  const bool keyed =
      format == "libffm" || format == "criteo" || format == "ratings";
  return absl::StrCat("name: pack\ndata: {train: {", format, ": \"", path,
                      "\"}}\nmodel: ", keyed ? "fm" : "linear", "\n");
}

// Column names that are numbers look like a line of data, but a Parquet file
// always has names.
absl::Status NameParquetColumns(v1::DataSource* source) {
  if (!source->has_csv()) return absl::OkStatus();
  const auto& paths = source->csv().path();
  const int64_t parquet = std::ranges::count_if(
      paths, [](const std::string& path) { return IsParquet(path); });
  if (parquet == 0) return absl::OkStatus();
  if (parquet < paths.size()) {
    return absl::InvalidArgumentError(
        "data: csv.path: some of the files are Parquet files, and some are "
        "not; pack them one by one");
  }
  if (source->csv().has_header() && !source->csv().header()) {
    return absl::InvalidArgumentError(
        "data: csv.header: a Parquet file names its columns; leave header out");
  }
  source->mutable_csv()->set_header(true);
  return absl::OkStatus();
}

absl::StatusOr<v1::Job> JobOf(const PackFlags& flags) {
  job::JobFile file;
  if (IsJobFile(flags.source)) {
    file = job::ReadJobFile(flags.source, flags.set);
  } else {
    EBB_ASSIGN_OR_RETURN(const std::string text, JobTextOf(flags.source));
    file = job::ReadJob(text, flags.source, flags.set);
  }
  EBB_RETURN_IF_ERROR(job::ToStatus(file.mistakes));
  v1::Job job = file.job;
  EBB_RETURN_IF_ERROR(NameParquetColumns(job.mutable_data()->mutable_train()));
  if (job.data().has_test()) {
    EBB_RETURN_IF_ERROR(NameParquetColumns(job.mutable_data()->mutable_test()));
  }
  job::FillDefaults(&job);
  const v1::FormatTraits& traits = job::TraitsOf(job.data().train());
  if (traits.positions() || traits.python()) {
    return absl::InvalidArgumentError(
        "data.train: only programs read this data, so it cannot be packed");
  }
  if (flags.split) {
    if (job.data().has_test() || job.data().has_split()) {
      return absl::InvalidArgumentError(
          "--split: the job has test data already; leave --split out");
    }
    job.mutable_data()->set_split(*flags.split);
    job.set_seed(flags.seed);
  }
  return job;
}

// What is packed is not scaled: the job that reads it says how.
data::SourceSpec Unscaled(data::SourceSpec spec) {
  spec.scale = 1;
  spec.standardise = spec.standardise_labels = false;
  spec.looks_at_labels = true;
  return spec;
}

std::vector<pack::PackSource> SourcesOf(const PackFlags& flags,
                                        const v1::Job& job) {
  std::vector<pack::PackSource> sources;
  const auto labels = data::LabelKind::kClass;
  const auto test = worker::TestSource(job, labels, std::nullopt);
  const bool parts = test.has_value() || IsJobFile(flags.source);
  sources.push_back(
      {parts ? "train" : "", Unscaled(worker::TrainingSource(job, labels))});
  if (test) sources.push_back({"test", Unscaled(*test)});
  return sources;
}

std::string TextOf(const pack::PackedFacts& set, const std::string& folder) {
  const std::string width = set.keyed
                                ? Count(set.features, "field") + " of keys"
                                : Count(set.features, "feature");
  return absl::StrCat(
      folder, set.name.empty() ? "" : "/", set.name, ": ",
      Count(set.examples, "example"), " of ", width, ", ",
      set.classes > 0
          ? absl::StrCat(WithCommas(set.classes), " different whole labels, ")
          : "",
      Count(set.windows, "window"), " of ", WithCommas(set.window), ", ",
      BytesText(set.id.bytes),
      set.left_out > 0
          ? absl::StrCat("; ", Count(set.left_out, "bad example"), " left out")
          : "",
      "\n");
}

// What was begun is removed.
// A read that waits is interrupted, too (parquet_rows.h).
void NoteInterruptions() {
  struct sigaction action = {};
  action.sa_handler = [](int) { pack_is_interrupted = true; };
  sigaction(SIGINT, &action, nullptr);
}

std::string TextOf(const tokens::PackedTokens& set, const std::string& folder) {
  const tokens::TokenFooter& footer = set.footer;
  return absl::StrCat(
      folder, set.name.empty() ? "" : "/", set.name, ": ",
      Count(footer.sequences, "sequence"), " of ",
      Count(footer.length, "token"),
      footer.documents > 0
          ? absl::StrCat(" from ", Count(footer.documents, "document"))
          : "",
      ", ", Count(footer.windows(), "window"), " of ",
      WithCommas(footer.window), ", ", BytesText(set.bytes),
      footer.left_out > 0 ? absl::StrCat("; ", Count(footer.left_out, "token"),
                                         " at the end left out")
                          : "",
      "\n");
}

Json JsonOf(const tokens::PackedTokens& set) {
  const tokens::TokenFooter& footer = set.footer;
  Json one = Json::Object();
  one["name"] = set.name;
  one["id"] = set.id;
  one["bytes"] = set.bytes;
  one["sequences"] = footer.sequences;
  one["tokens"] = footer.length;
  one["vocabulary"] = footer.vocabulary;
  if (footer.document_end) one["document_end"] = *footer.document_end;
  one["documents"] = footer.documents;
  one["window"] = footer.window;
  one["windows"] = footer.windows();
  one["left_out"] = footer.left_out;
  return one;
}

absl::Status CheckTokenFlags(const PackFlags& flags) {
  const auto only = [](absl::string_view flag, absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, ": ", why, "; leave it out"));
  };
  if (!flags.tokens) {
    constexpr absl::string_view kWhy = "only --tokens takes it";
    if (!flags.dtype.empty()) return only("--dtype", kWhy);
    if (flags.document_end) return only("--document-end", kWhy);
    if (flags.vocabulary > 0) return only("--vocabulary", kWhy);
    return absl::OkStatus();
  }
  if (!flags.set.empty()) return only("--set", "--tokens reads no job");
  if (flags.raw) return only("--raw", "tokens are never compressed");
  return absl::OkStatus();
}

int PackTokensOf(const PackFlags& flags, const KillPoints& kill_points) {
  const auto source = tokens::FindTokens(flags.source, flags.dtype,
                                         flags.document_end, data::OpenFile);
  if (!source.ok()) return Report(source.status());
  NoteInterruptions();
  ShownLine line(flags.quiet || flags.json);
  tokens::PackTokensOptions options;
  options.length = *flags.tokens;
  options.split = flags.split;
  options.seed = flags.seed;
  options.window = flags.window;
  options.vocabulary = flags.vocabulary;
  options.kill_points = kill_points;
  options.progress = [&](const tokens::TokenProgress& progress) {
    if (line.IsDue()) {
      line.Write(absl::StrCat(
          progress.writing ? "writing " : "reading ",
          WithCommas(progress.tokens),
          progress.total > 0 ? absl::StrCat(" of ", WithCommas(progress.total))
                             : "",
          " tokens"));
    }
    return pack_is_interrupted.load();
  };
  const auto packed = tokens::PackTokens(*source, flags.folder, options);
  line.End();
  if (!packed.ok()) {
    const int exit_code = Report(packed.status());
    return absl::IsCancelled(packed.status()) ? kExitInterrupted : exit_code;
  }
  Json sets = Json::List();
  for (const tokens::PackedTokens& set : *packed) {
    sets.Add(JsonOf(set));
    if (!flags.json && !flags.quiet) std::cout << TextOf(set, flags.folder);
  }
  if (flags.json) std::cout << sets.ToString();
  return kExitGood;
}

int Pack(const PackFlags& flags) {
  const absl::Status fitting = CheckTokenFlags(flags);
  if (!fitting.ok()) return Report(fitting);
  const auto kill_points =
      KillPoints::Parse(flags.kill_at, pack::PackKillPoints());
  if (!kill_points.ok()) return Report(kill_points.status());
  if (flags.tokens) return PackTokensOf(flags, *kill_points);
  const auto job = JobOf(flags);
  if (!job.ok()) return Report(job.status());
  NoteInterruptions();
  ShownLine line(flags.quiet || flags.json);
  pack::PackOptions options;
  options.seed = flags.seed;
  options.window = flags.window;
  options.compress = !flags.raw;
  options.kill_points = *kill_points;
  options.progress = [&](const pack::PackProgress& progress) {
    if (line.IsDue()) line.Write(ProgressText(progress));
    return pack_is_interrupted.load();
  };
  const auto notes = std::make_shared<ParquetNotes>();
  const auto packed =
      pack::PackSources(SourcesOf(flags, *job), flags.folder, options,
                        WithParquet(data::OpenFile, notes));
  line.End();
  for (const std::string& note : *notes)
    std::cerr << "warning: " << note << "\n";
  if (!packed.ok()) {
    const int exit_code = Report(packed.status());
    return absl::IsCancelled(packed.status()) ? kExitInterrupted : exit_code;
  }
  Json sets = Json::List();
  for (const pack::PackedFacts& set : *packed) {
    if (!flags.json) {
      if (flags.quiet) continue;
      std::cout << TextOf(set, flags.folder);
      for (const std::string& remark : set.remarks) {
        std::cout << "  " << remark << "\n";
      }
      continue;
    }
    Json one = Json::Object();
    one["name"] = set.name;
    one["id"] =
        absl::StrFormat("%016x%016x", set.id.hash_high, set.id.hash_low);
    one["bytes"] = set.id.bytes;
    one["examples"] = set.examples;
    one["features"] = set.features;
    one["classes"] = set.classes;
    one["window"] = set.window;
    one["windows"] = set.windows;
    one["left_out"] = set.left_out;
    sets.Add(one);
  }
  if (flags.json) std::cout << sets.ToString();
  return kExitGood;
}

}  // namespace

void AddDataPackCommand(CLI::App* data, int* exit_code) {
  CLI::App* command = data->add_subcommand(
      "pack", "Packs data that is larger than the memory of workers");
  const auto flags = std::make_shared<PackFlags>();
  command
      ->add_option("SRC", flags->source,
                   "Job file (.yaml), whose data is packed; or FORMAT:PATH, as "
                   "csv:table.csv; or TABLE.parquet; or with --tokens a text")
      ->required();
  command
      ->add_option("DEST", flags->folder,
                   "Folder to make; a job's data goes to DEST/train and "
                   "DEST/test")
      ->required();
  command->add_option("--set", flags->set,
                      "Set a key of the job, as data.train.csv.label=price");
  command
      ->add_option("--split", flags->split,
                   "Share of the examples to test on: goes to DEST/test, the "
                   "rest to DEST/train")
      ->check(CLI::Range(0.0, 1.0));
  command
      ->add_option("--seed", flags->seed, "Seed of the order, and of --split")
      ->capture_default_str();
  command
      ->add_option("--window", flags->window,
                   "Examples of a window; default: 16384, or fewer so that it "
                   "takes 64 MiB at most")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 24));
  command->add_flag("--raw", flags->raw, "Do not compress");
  command
      ->add_option("--tokens", flags->tokens,
                   "Pack sequences of so many tokens: of a text, a .npy file "
                   "of uint16 or uint32, or raw numbers")
      ->check(CLI::Range(int64_t{1}, tokens::kMostLength));
  command
      ->add_option("--dtype", flags->dtype,
                   "With --tokens: SRC has raw little-endian numbers")
      ->check(CLI::IsMember({"uint16", "uint32"}));
  command
      ->add_option("--document-end", flags->document_end,
                   "With --tokens: the token that stands behind each document; "
                   "a text has 256 there")
      ->check(CLI::Range(int64_t{0}, tokens::kMostVocabulary - 1));
  command
      ->add_option("--vocabulary", flags->vocabulary,
                   "With --tokens: refuse tokens that are not below it")
      ->check(CLI::Range(int64_t{1}, tokens::kMostVocabulary));
  command->add_flag("-q,--quiet", flags->quiet, "Print errors only");
  command->add_flag("--json", flags->json, "Print JSON, for programs");
  command->add_option("--kill-at", flags->kill_at)->group("");
  command->callback([=] { *exit_code = Pack(*flags); });
  command->footer(R"(
Puts the examples in a random order, and writes them as windows. A job that
names DEST as `packed` holds two windows in memory at a time. Packing needs
memory for 256 MiB of examples, and disk for twice the data. Until it is done,
it works in DEST.packing. After an interruption, give the command again.
Examples:
  ebb data pack examples/jobs/fashion_softmax.yaml shirts.packed
  ebb data pack csv:prices.csv prices.packed --split 0.2 \
      --set data.train.csv.label=price
  ebb data pack --tokens 256 "books/*.txt" books.packed --split 0.1
  ebb data pack --tokens 1024 --document-end 50256 corpus.npy corpus.packed)");
}

}  // namespace ebb::tools
