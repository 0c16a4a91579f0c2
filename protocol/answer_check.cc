#include "protocol/answer_check.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace ebb {

namespace {

std::string Named(ServerId server, SessionId session) {
  return absl::StrCat("server ", server.value(), ", session ", session.value());
}

}  // namespace

std::optional<CallFailure> AnswerCheck::Heard(const Answer& answer,
                                              absl::Time now) {
  if (answer.from_session == SessionId()) return std::nullopt;
  if (answer.from == answer.server && answer.from_session == answer.session) {
    // Nearly always, and asked with each answer.
    if (!others_.empty()) others_.erase(answer.server);
    return std::nullopt;
  }
  const auto [it, added] =
      others_.try_emplace(answer.server, Others{answer.session, now, now});
  Others& others = it->second;
  if (!others.certain && (others.session != answer.session ||
                          now - others.last > longest_pause_)) {
    others = {answer.session, now, now};
  }
  others.last = now;
  const bool same_id = answer.from == answer.server;
  others.certain |= others.placed - others.since >=
                    (same_id ? kKeepComingAgain : kKeepComing);
  if (!others.certain) return std::nullopt;
  return CallFailure{
      CallCause::kWrongServer,
      absl::StrCat(
          "another server answers at ", answer.address, ": it says that it is ",
          Named(answer.from, answer.from_session),
          ", and the scheduler expects ", Named(answer.server, answer.session),
          "; ",
          same_id ? "it restarted and the scheduler does not know yet, or "
                  : "",
          "the --advertise of server ", answer.server.value(),
          " names the wrong address")};
}

void AnswerCheck::Placed(ServerId server, SessionId session, absl::Time now) {
  const auto it = others_.find(server);
  if (it == others_.end()) return;
  if (it->second.session == session) {
    it->second.placed = now;
  } else {
    others_.erase(it);
  }
}

}  // namespace ebb
