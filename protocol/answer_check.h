// Decides whether the server that answers at an address is the one that the
// scheduler names. It is not where a server advertises the address of another,
// as of another cluster: that one knows no such job, and answers "wrong
// placement" for ever.
//
// A server that just restarted also answers in another session than the
// placement of a worker or the order of a move names, and so does one whose
// address was taken over. Both pass once the scheduler has let the new session
// in. So other answers count only when they keep coming, and a placement or
// order after that still names the same session. They must keep coming for 5 s;
// or for 20 s if they have the id of the server, which may have restarted.
//
//   AnswerCheck::Answer answer{server, session, address, reply.server,
//                              reply.server_session};
//   if (auto why = check.Heard(answer, now)) Broke(server, *why);
//
// Thread-compatible.
#ifndef EBB_PROTOCOL_ANSWER_CHECK_H_
#define EBB_PROTOCOL_ANSWER_CHECK_H_

#include <map>
#include <optional>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/peer_trouble.h"

namespace ebb {

class AnswerCheck {
 public:
  // For so long answers of another id must keep coming,
  static constexpr absl::Duration kKeepComing = absl::Seconds(5);
  // and for so long those of another session of the same id. The scheduler lets
  // a restarted server in after --server-ttl (5 s) and a last word (1 s), and
  // then the placement or the order must come.
  static constexpr absl::Duration kKeepComingAgain = absl::Seconds(20);

  struct Answer {
    // These come from the scheduler.
    ServerId server;
    SessionId session;
    absl::string_view address;
    // These come from the reply.
    ServerId from;
    SessionId from_session;  // SessionId(): it does not say.
  };

  // A pause of more than `longest_pause` between two answers begins the count
  // again.
  explicit AnswerCheck(absl::Duration longest_pause)
      : longest_pause_(longest_pause) {}

  // A server answered a call. Returns why the answer counts as a failed call:
  // another server has answered for too long. Nothing: it does not (yet).
  std::optional<CallFailure> Heard(const Answer& answer, absl::Time now);
  // A placement or an order from the scheduler names the server, in that
  // session.
  void Placed(ServerId server, SessionId session, absl::Time now);

 private:
  // Answers of others, since the last of the server itself.
  struct Others {
    SessionId session;  // The one that the scheduler names.
    absl::Time since;
    absl::Time last;
    absl::Time placed = absl::InfinitePast();
    bool certain = false;
  };
  const absl::Duration longest_pause_;
  std::map<ServerId, Others> others_;
};

}  // namespace ebb

#endif  // EBB_PROTOCOL_ANSWER_CHECK_H_
