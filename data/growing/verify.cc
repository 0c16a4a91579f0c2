#include "data/growing/verify.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/growing/codec.h"
#include "data/growing/growing_set.h"
#include "data/pack/window.h"

namespace ebb::data::growing {
namespace {

// How far behind the end of the chain objects are looked for.
constexpr int64_t kMostLooked = int64_t{1} << 20;

}  // namespace

ChainRules::ChainRules(std::string identity, const std::optional<Floor>& floor)
    : identity_(std::move(identity)) {
  if (!floor) return;
  tail_.floor = floor;
  tail_.floors = floor->floor + 1;
  tail_.place = floor->place;
  tail_.number = floor->number;
  tail_.ends = floor->ends;
  tail_.totals = floor->totals;
  tail_.before = floor->before;
}

std::string ChainRules::CheckRanges(const ObjectHeader& header) const {
  Ends ends = tail_.ends;
  Totals totals = tail_.totals;
  for (const CoveredRange& range : header.ranges) {
    PartitionEnd& end = ends[range.partition];
    if (range.begin != end.end) {
      return absl::StrCat("it covers ", range.partition, " from ", range.begin,
                          ", and the objects before it end at ", end.end);
    }
    // The offset of a file is a byte, so there are at least as many.
    if (range.examples + range.left_out + range.absent >
        range.end - range.begin) {
      return absl::StrCat("it has more messages of ", range.partition,
                          " than offsets");
    }
    end.end = range.end;
    totals.left_out += range.left_out;
    totals.absent += range.absent;
  }
  for (const LostRange& lost : header.lost) {
    const auto covered =
        std::ranges::find_if(header.ranges, [&](const CoveredRange& range) {
          return range.partition == lost.partition &&
                 range.begin <= lost.begin && lost.end <= range.end;
        });
    if (covered == header.ranges.end()) {
      return absl::StrCat("what it lost of ", lost.partition,
                          " is in none of its ranges");
    }
    totals.lost += lost.end - lost.begin;
  }
  const bool same_ends = std::ranges::equal(
      ends, header.ends, [](const auto& one, const auto& other) {
        return one.first == other.first && one.second.end == other.second.end;
      });
  if (!same_ends) return "it does not have the ends of all partitions";
  if (totals != header.totals) return "its totals are not the sums so far";
  return "";
}

std::string ChainRules::Check(const ObjectHeader& header,
                              const ObjectHash& hash) {
  std::string problem;
  if (header.identity != identity_) {
    problem = "it belongs to another set";
  } else if (skipped_) {
    skipped_ = false;
  } else if (tail_.ended) {
    problem = "it follows the end of the set";
  } else if (header.place != tail_.place) {
    problem = absl::StrCat("it is the object of place ", header.place);
  } else if (header.first != tail_.number) {
    problem = absl::StrCat("it begins at number ", header.first,
                           ", and the objects before it end at ", tail_.number);
  } else if (header.before != tail_.before) {
    problem = "the object before it is not the one that it follows";
  } else if (has_time_ && header.created_unix_ms < tail_.created_unix_ms) {
    problem = "it is older than the object before it";
  } else {
    problem = CheckRanges(header);
  }
  // Go on from what it says, so that one mistake is told once.
  tail_.Follow(header, hash);
  has_time_ = true;
  return problem;
}

absl::StatusOr<VerifyReport> VerifySet(
    ObjectStore* store,
    const std::function<bool(const VerifyReport&)>& progress) {
  EBB_ASSIGN_OR_RETURN(const About about, ReadAbout(store));
  EBB_ASSIGN_OR_RETURN(const ChainTail tail,
                       FindTail(store, about.identity, {}));
  ChainRules rules(about.identity, tail.floor);
  VerifyReport report;
  report.lowest = report.number = tail.lowest_number();
  pack::Window window;
  for (int64_t place = tail.lowest_place(); place < tail.place; ++place) {
    const std::string key = ObjectKey(place);
    const auto note = [&](absl::string_view problem) {
      if (report.problems.size() < kMostProblems) {
        report.problems.push_back(
            absl::StrCat(store->place(), key, ": ", problem));
      }
    };
    const auto content = store->Get(key, {});
    if (absl::IsNotFound(content.status())) {
      note("it is missing");
      rules.Skip();
      continue;
    }
    EBB_RETURN_IF_ERROR(content.status());
    ++report.objects;
    report.bytes += static_cast<int64_t>(content->bytes.size());
    const auto header =
        DecodeObject("it", content->bytes, about.schema, &window);
    if (!header.ok()) {
      note(header.status().message());
      rules.Skip();
      continue;
    }
    const std::string problem =
        rules.Check(*header, HashOfObject(content->bytes));
    if (!problem.empty()) note(problem);
    report.examples += header->count;
    report.number = header->first + header->count;
    report.totals = header->totals;
    report.ended = header->end;
    if (progress && progress(report)) {
      return absl::CancelledError("verifying was stopped");
    }
  }
  // A name that is missing in the middle looks like the end of the chain.
  for (int64_t step = 1; step <= kMostLooked && !tail.ended; step *= 2) {
    const std::string key = ObjectKey(tail.place + step);
    const auto behind = store->Get(key, {.bytes = 1});
    if (absl::IsNotFound(behind.status())) continue;
    EBB_RETURN_IF_ERROR(behind.status());
    report.problems.push_back(
        absl::StrCat(store->place(), ObjectKey(tail.place),
                     ": it is missing, and ", key, " is there; bring it back"));
    break;
  }
  return report;
}

}  // namespace ebb::data::growing
