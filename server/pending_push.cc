#include "server/pending_push.h"

#include <utility>

namespace ebb::server {

PendingPush::PendingPush(uint64_t token, PushRequest request,
                         Generation generation, const ServerOptions& options)
    : token_(token),
      request_(std::move(request)),
      unanswered_(request_.segments.size()) {
  reply_.job = request_.job;
  reply_.generation = generation;
  reply_.server = options.id;
  reply_.server_session = options.session;
  reply_.worker = request_.stamp.worker;
  reply_.incarnation = request_.incarnation;
  reply_.sequence = request_.sequence;
  reply_.item = request_.item;
  reply_.segments.resize(request_.segments.size());
}

void PendingPush::Answer(size_t segment, Verdict verdict, int64_t mark,
                         Term term, ServerActions* out) {
  PushSegmentReply& reply = reply_.segments[segment];
  reply.partition = request_.segments[segment].partition;
  reply.verdict = verdict;
  reply.mark = mark;
  reply.term = term;
  if (--unanswered_ == 0) Reply(out);
}

void PendingPush::AnswerAll(Verdict verdict,
                            absl::FunctionRef<Term(PartitionId)> term,
                            ServerActions* out) {
  if (request_.segments.empty()) return Reply(out);
  for (size_t i = 0; i < request_.segments.size(); ++i) {
    Answer(i, verdict, 0, term(request_.segments[i].partition), out);
  }
}

void PendingPush::Reply(ServerActions* out) {
  out->push_back(ReplyPush{token_, std::move(reply_)});
}

}  // namespace ebb::server
