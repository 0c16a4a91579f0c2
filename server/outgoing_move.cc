#include "server/outgoing_move.h"

#include <algorithm>
#include <utility>

namespace ebb::server {

namespace {

// Floats of one answer: a target asks for less.
constexpr int64_t kMostFloats = int64_t{16} << 20;

}  // namespace

void OutgoingMove::Fetch(uint64_t token, FetchRequest request, bool busy,
                         Partition* values, ServerActions* out) {
  if (!request.blocks.empty()) return FetchBlocks(token, request, out);
  frozen_ = frozen_ || request.freeze;
  if (busy) {
    parked_.push_back({token, std::move(request)});
  } else {
    FetchCut(token, request, values, out);
  }
}

void OutgoingMove::FetchCut(uint64_t token, const FetchRequest& request,
                            Partition* values, ServerActions* out) {
  FetchAnswer answer;
  answer.key = {request.job, request.generation, request.partition,
                request.new_term, 0};
  answer.sums_with_blocks = request.sums_with_blocks;
  absl::StatusOr<Cut> cut = values->TakeWholeCut();
  if (!cut.ok()) {
    // There is no memory for it: the target gives up, and may be told again.
    answer.result = FetchResult::kNotHere;
    out->push_back(ReplyFetch{token, std::move(answer)});
    return;
  }
  answer.cut = *std::move(cut);
  // Blocks of the cut before that are not in this one are asked for no more.
  new_term_ = request.new_term;
  blocks_.clear();
  for (const auto& [name, array] : answer.cut->arrays) {
    for (size_t i = 0; i < array.blocks.size(); ++i) {
      blocks_[array.content_id(i)] = {array.blocks[i], array.UsedCount(i)};
    }
  }
  out->push_back(ReplyFetch{token, std::move(answer)});
}

void OutgoingMove::FetchBlocks(uint64_t token, const FetchRequest& request,
                               ServerActions* out) const {
  FetchAnswer answer;
  answer.sums_with_blocks = request.sums_with_blocks;
  int64_t floats = 0;
  for (const uint64_t number : request.blocks) {
    const auto it = blocks_.find(number);
    const bool held = new_term_ == request.new_term && it != blocks_.end();
    if (held) floats += it->second.floats;
    if (!held || floats > kMostFloats) {
      answer = {.result = FetchResult::kGone, .key = {}};
      break;
    }
    answer.blocks.push_back(it->second);
  }
  out->push_back(ReplyFetch{token, std::move(answer)});
}

void OutgoingMove::OnIdle(Partition* values, ServerActions* out) {
  for (const ParkedFetch& parked : std::exchange(parked_, {})) {
    FetchCut(parked.token, parked.request, values, out);
  }
}

void OutgoingMove::End(ServerActions* out) {
  for (const ParkedFetch& parked : parked_) {
    out->push_back(
        ReplyFetch{parked.token, {.result = FetchResult::kNotHere, .key = {}}});
  }
  *this = {};
}

}  // namespace ebb::server
