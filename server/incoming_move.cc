#include "server/incoming_move.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rpc/call_failure.h"

namespace ebb::server {

namespace {

// Bytes of one answer, and answers with blocks that are under way.
constexpr int64_t kMostBytes = int64_t{4} << 20;
constexpr size_t kMostAsked = 4;
// The source may only be slow, or a message lost; then it is asked again. This
// must not last long: it has to be decided which server serves the partition.
constexpr absl::Duration kFetchRetry = absl::Milliseconds(50);
constexpr absl::Duration kPatience = absl::Seconds(3);

int64_t BytesOf(int64_t floats) {
  return floats * static_cast<int64_t>(sizeof(float));
}

FetchRequest About(const MoveIn& order) {
  FetchRequest request;
  request.job = order.record->id;
  request.generation = order.generation;
  request.partition = order.partition;
  request.source = order.source;
  request.term = order.source_term;
  request.new_term = order.term;
  request.sums_with_blocks = true;
  return request;
}

}  // namespace

IncomingMove::IncomingMove(const MoveIn& order, std::shared_ptr<BlockPool> pool)
    : about_(About(order)),
      source_(order.source_server),
      address_(order.source_address),
      term_(order.term),
      pool_(std::move(pool)) {}

bool IncomingMove::MayAsk() const {
  if (stage_ >= Stage::kComplete) return false;
  if (!wants_blocks()) return asked_.empty();
  return !missing_.empty() && asked_.size() < kMostAsked;
}

std::optional<FetchTask> IncomingMove::Next(absl::Time now) {
  if (now < try_at_ || !MayAsk()) return std::nullopt;
  FetchTask task;
  task.address = address_;
  task.request = about_;
  task.pool = pool_;
  task.request.freeze = stage_ == Stage::kLastCut;
  for (int64_t bytes = 0; wants_blocks() && !missing_.empty();) {
    const StoredBlock& block = missing_.back();
    bytes += BytesOf(block.floats);
    if (bytes > kMostBytes && !task.blocks.empty()) break;
    task.request.blocks.push_back(block.number);
    task.blocks.push_back(block);
    missing_.pop_back();
  }
  if (task.request.freeze) frozen_at_ = std::min(frozen_at_, now);
  if (last_answer_ == absl::InfinitePast()) last_answer_ = now;
  asked_.push_back(task.blocks);
  return task;
}

absl::Time IncomingMove::NextTry() const {
  return MayAsk() ? try_at_ : absl::InfiniteFuture();
}

absl::Status IncomingMove::OnFetched(const FetchRequest& request,
                                     absl::StatusOr<Fetched> fetched,
                                     absl::Time now) {
  const auto asked =
      std::ranges::find_if(asked_, [&](const std::vector<StoredBlock>& one) {
        return std::ranges::equal(one, request.blocks, {},
                                  &StoredBlock::number);
      });
  if (asked == asked_.end() || request.new_term != term_ ||
      request.freeze != (stage_ == Stage::kLastCut)) {
    return absl::OkStatus();
  }
  const std::vector<StoredBlock> blocks = std::move(*asked);
  asked_.erase(asked);
  if (!fetched.ok()) {
    const bool passes = absl::IsUnavailable(fetched.status()) ||
                        absl::IsDeadlineExceeded(fetched.status()) ||
                        absl::IsCancelled(fetched.status());
    // An answer that cannot be used came from a source that is reached.
    if (const CallFailure why = rpc::FailureOf(fetched.status());
        passes || why.cause != CallCause::kOther) {
      if (failures_++ == 0) broken_since_ = now;
      why_ = why;
    }
    if (!passes || now - last_answer_ >= kPatience) return fetched.status();
    try_at_ = now + kFetchRetry;
    missing_.insert(missing_.end(), blocks.rbegin(), blocks.rend());
    return absl::OkStatus();
  }
  last_answer_ = now;
  failures_ = 0;
  if (fetched->result != FetchResult::kOk) {
    return absl::FailedPreconditionError(
        absl::StrCat("the source answers \"", FetchResultName(fetched->result),
                     "\": it is no longer what it was when the move began"));
  }
  if (request.blocks.empty()) return TakeOutline(std::move(fetched->outline));
  if (fetched->blocks.size() != request.blocks.size()) {
    return absl::DataLossError("the source sent other blocks than asked for");
  }
  for (size_t i = 0; i < request.blocks.size(); ++i) {
    blocks_[request.blocks[i]] = std::move(fetched->blocks[i]);
  }
  EndBlocks();
  return absl::OkStatus();
}

std::optional<PeerTrouble> IncomingMove::unreached(absl::Time now) const {
  if (failures_ == 0) return std::nullopt;
  PeerTrouble trouble;
  trouble.session = about_.source;
  trouble.address = address_;
  trouble.lasts = now - broken_since_;
  trouble.attempts = failures_;
  trouble.why = why_;
  return trouble;
}

absl::Status IncomingMove::TakeOutline(Manifest outline) {
  if (outline.key.job != about_.job ||
      outline.key.partition != about_.partition ||
      outline.key.generation != about_.generation) {
    return absl::DataLossError("the source sent a cut of something else");
  }
  outline_ = std::move(outline);
  std::map<uint64_t, StoredBlock> named;
  for (const auto& [name, array] : outline_.arrays) {
    for (const StoredBlock& block : array.blocks) named[block.number] = block;
  }
  // Blocks that only the cut before had make room.
  std::erase_if(blocks_,
                [&](const auto& one) { return !named.contains(one.first); });
  missing_.clear();
  for (auto it = named.rbegin(); it != named.rend(); ++it) {
    if (!blocks_.contains(it->first)) missing_.push_back(it->second);
  }
  stage_ =
      stage_ == Stage::kFirstCut ? Stage::kFirstBlocks : Stage::kLastBlocks;
  EndBlocks();
  return absl::OkStatus();
}

void IncomingMove::EndBlocks() {
  if (!missing_.empty() || !asked_.empty()) return;
  stage_ = stage_ == Stage::kFirstBlocks ? Stage::kLastCut : Stage::kComplete;
}

Cut IncomingMove::TakeCut() {
  stage_ = Stage::kTaken;
  std::map<std::string, CutArray> arrays;
  for (const auto& [name, array] : outline_.arrays) {
    arrays[name] =
        ArrayOf(array, [&](uint64_t number) { return blocks_.at(number); });
  }
  blocks_.clear();
  Cut cut = CutOf(std::move(outline_));
  cut.arrays = std::move(arrays);
  return cut;
}

}  // namespace ebb::server
