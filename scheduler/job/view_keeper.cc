#include "scheduler/job/view_keeper.h"

namespace ebb::scheduler {

void ViewKeeper::Join(SessionId worker, int64_t clock, Context* context) {
  if (!job_.plan().clocked() || view_.Contains(worker) || clock < 0) {
    return;
  }
  view_.Join(worker, ViewNumber(context->numbers->Draw(context->now)), clock);
  Broadcast(context);
}

void ViewKeeper::Leave(SessionId worker, Context* context) {
  if (Remove(worker, context)) Broadcast(context);
}

bool ViewKeeper::Remove(SessionId worker, Context* context) {
  if (!view_.Contains(worker)) return false;
  return view_.Leave(worker, ViewNumber(context->numbers->Draw(context->now)));
}

void ViewKeeper::Clear(Context* context) {
  view_.Clear(ViewNumber(context->numbers->Draw(context->now)));
}

void ViewKeeper::Broadcast(Context* context) {
  context->ToOwners(job_.placement,
                    view_.Message(job_.id(), job_.state.generation));
}

void ViewKeeper::Send(const ServerInfo& server, Context* context) const {
  if (!job_.plan().clocked()) return;
  context->ToServer(server, view_.Message(job_.id(), job_.state.generation));
}

}  // namespace ebb::scheduler
