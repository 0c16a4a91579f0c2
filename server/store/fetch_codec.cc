#include "server/store/fetch_codec.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "protocol/codec.h"
#include "protocol/sealed.h"
#include "server/row_arrays.h"
#include "server/store/internal/cut_blocks.h"
#include "server/store/manifest.h"

namespace ebb::server {

namespace {

// The checksum that comes with a block. The number tells the contents of a
// block from those it had before or gets later, and from those of every other
// block. So it is also checked that the contents are those of the cut.
uint64_t SumOf(uint64_t number, std::span<const float> floats) {
  std::string head;
  PutFixed64(number, &head);
  return SealChecksum(head, {reinterpret_cast<const char*>(floats.data()),
                             floats.size_bytes()});
}

Manifest OutlineOf(const VersionKey& key, const Cut& cut,
                   bool sums_with_blocks) {
  Manifest outline = ManifestOf(key, cut);
  for (const auto& [name, array] : cut.arrays) {
    StoredArray& named = outline.arrays[name];
    named.floats = array.floats;
    for (size_t i = 0; i < array.blocks.size(); ++i) {
      const std::span<const float> floats = array.UsedFloats(i);
      named.blocks.push_back(
          {array.blocks[i].content_id(), static_cast<int64_t>(floats.size()),
           sums_with_blocks ? 0 : SealBlock(floats).checksum});
    }
  }
  return outline;
}

}  // namespace

FetchReply EncodeFetchAnswer(ServerId server, SessionId session,
                             FetchAnswer answer) {
  FetchReply reply;
  reply.server = server;
  reply.server_session = session;
  reply.result = answer.result;
  if (answer.cut.has_value()) {
    SealRows(&*answer.cut);
    reply.manifest = EncodeManifest(
        OutlineOf(answer.key, *answer.cut, answer.sums_with_blocks));
  }
  for (const CutBlock& one : answer.blocks) {
    if (answer.sums_with_blocks) {
      reply.sums.push_back(
          SumOf(one.block.content_id(), one.block.floats().first(one.floats)));
    }
    reply.values.Append(one.block.AsOwner(),
                        one.block.bytes().first(one.floats * sizeof(float)));
  }
  return reply;
}

absl::StatusOr<Fetched> DecodeFetchReply(const FetchTask& task,
                                         const FetchReply& reply) {
  Fetched fetched;
  fetched.server = reply.server;
  fetched.server_session = reply.server_session;
  fetched.result = reply.result;
  if (reply.result != FetchResult::kOk) return fetched;
  if (task.blocks.empty()) {
    EBB_ASSIGN_OR_RETURN(fetched.outline, DecodeManifest(reply.manifest));
    return fetched;
  }
  int64_t expected = 0;
  for (const StoredBlock& block : task.blocks) {
    expected += block.floats * static_cast<int64_t>(sizeof(float));
  }
  if (reply.values.size() != expected) {
    return absl::DataLossError(absl::StrCat("the source sent ",
                                            reply.values.size(),
                                            " bytes instead of ", expected));
  }
  const bool with_sums = !reply.sums.empty();
  if (with_sums && reply.sums.size() != task.blocks.size()) {
    return absl::DataLossError(
        absl::StrCat("the source sent ", reply.sums.size(), " checksums for ",
                     task.blocks.size(), " blocks"));
  }
  EBB_ASSIGN_OR_RETURN(
      fetched.blocks,
      task.pool->AllocateMany(static_cast<int64_t>(task.blocks.size())));
  int64_t at = 0;
  for (size_t i = 0; i < task.blocks.size(); ++i) {
    const StoredBlock& block = task.blocks[i];
    BlockRef& to = fetched.blocks[i];
    const int64_t bytes = block.floats * static_cast<int64_t>(sizeof(float));
    if (bytes > static_cast<int64_t>(to.size())) {
      return absl::FailedPreconditionError(absl::StrCat(
          "a block has ", bytes, " bytes, those of this job have ", to.size()));
    }
    const std::span<std::byte> room = to.mutable_bytes();
    reply.values.Sub(at, bytes).CopyTo(room.first(bytes));
    std::ranges::fill(room.subspan(bytes), std::byte{0});
    at += bytes;
    const std::span<const float> floats = to.floats().first(block.floats);
    const bool whole = with_sums ? SumOf(block.number, floats) == reply.sums[i]
                                 : SealBlock(floats).checksum == block.checksum;
    if (!whole) {
      return absl::DataLossError(absl::StrCat(
          "block ", block.number, " arrived with another checksum"));
    }
  }
  return fetched;
}

}  // namespace ebb::server
