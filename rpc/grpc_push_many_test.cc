// Pushes that wait for calls and travel together: to our server, to generated
// and older ones, and where something is refused or ends.
#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "common/mutex.h"
#include "ebb/v1/parameter_server.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/grpc_transport.h"
#include "rpc/security.h"
#include "rpc/transport_contract.h"

namespace ebb::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(20);
constexpr char kAny[] = "127.0.0.1:0";

PushRequest PushOf(int64_t sequence, int64_t incarnation = 0) {
  PushRequest push = MakePush(1, {1, 2, 3});
  push.server_session = SessionId(5);
  push.incarnation = incarnation;
  push.sequence = sequence;
  return push;
}

PushReply ReplyTo(const PushRequest& request) {
  PushReply reply;
  reply.job = request.job;
  reply.item = request.item;
  reply.sequence = request.sequence;
  return reply;
}

v1::PushRequest MessageOf(int64_t sequence) {
  v1::PushRequest push;
  push.set_job(7);
  push.mutable_stamp()->set_worker(9);
  push.mutable_item();
  push.mutable_ledger();
  push.set_sequence(sequence);
  push.set_end(1);
  push.add_segments()->set_gradient_bytes(4);
  push.set_values("\1\2\3\4");
  return push;
}

SecurityPtr Plain() {
  auto security = Security::Create({}, RoleSet::All());
  EXPECT_TRUE(security.ok()) << security.status();
  return *std::move(security);
}

// Sequence numbers in the order of arrival.
template <typename Pushes>
std::vector<int64_t> Arrived(const Pushes& pushes) {
  std::vector<int64_t> sequences;
  for (const auto& [request, done] : pushes) {
    sequences.push_back(request.sequence);
  }
  return sequences;
}

// The replies to the pushes of a channel.
class Replies {
 public:
  PsChannel::PushDone Done(int64_t sequence) {
    return [this, sequence](absl::StatusOr<PushReply> reply) {
      if (reply.ok()) {
        EXPECT_EQ(reply->sequence, sequence);
      }
      all_.Add({sequence, reply.status()});
    };
  }
  // Of each push; none is answered twice.
  std::map<int64_t, absl::Status> WaitFor(size_t n) {
    const auto all = all_.WaitFor(n);
    std::map<int64_t, absl::Status> by_push(all.begin(), all.end());
    EXPECT_EQ(by_push.size(), all.size()) << "answered twice";
    return by_push;
  }
  size_t arrived() { return all_.Now().size(); }

 private:
  Collected<std::pair<int64_t, absl::Status>> all_;
};

// A push is answered once all before it have come, as a server does.
class OrderingPs : public PsHandler {
 public:
  void Push(PushRequest request, PushDone done) override {
    std::vector<std::pair<PushReply, PushDone>> judged;
    {
      MutexLock lock(&mu_);
      const PushReply reply = ReplyTo(request);
      held_.emplace(request.sequence, std::pair(reply, std::move(done)));
      while (!held_.empty() && held_.begin()->first == next_) {
        judged.push_back(std::move(held_.begin()->second));
        held_.erase(held_.begin());
        ++next_;
      }
    }
    came.Add({std::move(request), nullptr});
    for (auto& [reply, answer] : judged) answer(reply);
  }
  void Pull(PullRequest request, PullDone done) override {
    PullReply reply;
    reply.job = request.job;
    reply.worker = request.stamp.worker;
    reply.server_session = SessionId(5);
    done(reply);
  }
  void Clock(ClockUpdate) override {}
  void Fetch(FetchRequest, FetchDone) override {}

  Collected<std::pair<PushRequest, PushDone>> came;

 private:
  Mutex mu_;
  int64_t next_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<int64_t, std::pair<PushReply, PushDone>> held_ ABSL_GUARDED_BY(mu_);
};

class GrpcPushManyTest : public testing::Test {
 protected:
  // Makes what the server calls. The server ends before it, since pushes may
  // still arrive when a test has seen all that it waits for.
  template <typename Ps>
  Ps& Made() {
    auto made = std::make_shared<Ps>();
    made_ = made;
    return *made;
  }
  std::unique_ptr<PsChannel> ChannelTo(PsHandler* ps) {
    auto listener = servers_.ListenPs(kAny, {.data = ps});
    EXPECT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    return workers_.ConnectPs(listener_->address());
  }
  std::unique_ptr<v1::ParameterServer::Stub> StubTo(PsHandler* ps) {
    ChannelTo(ps);
    return v1::ParameterServer::NewStub(grpc::CreateChannel(
        listener_->address(), grpc::InsecureChannelCredentials()));
  }
  std::unique_ptr<PsChannel> ChannelTo(v1::ParameterServer::Service* service) {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(kAny, grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(service);
    generated_ = builder.BuildAndStart();
    EXPECT_NE(generated_, nullptr);
    return workers_.ConnectPs(absl::StrCat("127.0.0.1:", port));
  }
  void Push(PsChannel* channel, int64_t sequence,
            absl::Duration deadline = kLong) {
    channel->Push(PushOf(sequence), deadline, replies_.Done(sequence));
  }

  const SecurityPtr server_ = Plain(), worker_ = Plain();
  GrpcTransport servers_{TransportOptions{.max_calls = 6}, 0, server_};
  GrpcTransport workers_{TransportOptions(), 0, worker_};
  Replies replies_;  // Outlives what answers.
  std::shared_ptr<void> made_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<grpc::Server> generated_;
};

// --- Channel and server ------------------------------------------------------

TEST_F(GrpcPushManyTest, RepliesGoToTheirPushes) {
  auto& ps = Made<KeepingPs>();
  const auto channel = ChannelTo(&ps);
  for (int i = 0; i < 6; ++i) Push(channel.get(), i);
  const auto first = ps.pushes.WaitFor(2);
  EXPECT_EQ(replies_.arrived(), 0u);
  first[0].second(ReplyTo(first[0].first));
  // The others came together, in their order.
  const auto all = ps.pushes.WaitFor(6);
  const std::vector<int64_t> came = Arrived(all);
  EXPECT_THAT(std::vector<int64_t>(came.begin() + 2, came.end()),
              ElementsAre(2, 3, 4, 5));
  EXPECT_EQ(all[4].first.segments[0].gradient.size(), 12);
  for (const int i : {4, 2, 5}) all[i].second(ReplyTo(all[i].first));
  first[1].second(ReplyTo(first[1].first));
  replies_.WaitFor(2);
  EXPECT_EQ(replies_.arrived(), 2u);  // The call goes on.
  all[3].second(ReplyTo(all[3].first));
  for (const auto& [push, status] : replies_.WaitFor(6)) {
    EXPECT_TRUE(status.ok()) << push << status;
  }
}

TEST_F(GrpcPushManyTest, EachOfManyComesOnce) {
  constexpr int64_t kPushes = 1000;
  constexpr int64_t kInFlight = 6;
  auto& ps = Made<OrderingPs>();
  const auto channel = ChannelTo(&ps);
  for (int64_t i = 0; i < kPushes; ++i) {
    if (i >= kInFlight) replies_.WaitFor(i - kInFlight + 1);
    Push(channel.get(), i);
  }
  for (const auto& [push, status] : replies_.WaitFor(kPushes)) {
    EXPECT_TRUE(status.ok()) << push << status;
  }
  const auto came = ps.came.Now();
  ASSERT_EQ(came.size(), static_cast<size_t>(kPushes));
  std::vector<bool> seen(kPushes, false);
  for (const auto& one : came) seen[one.first.sequence] = true;
  EXPECT_THAT(seen, testing::Each(true));
}

TEST_F(GrpcPushManyTest, ADroppedDoneIsOnlyItsOwn) {
  // Drops that of push 3, and keeps those of 0 and 1.
  struct Dropping : public KeepingPs {
    void Push(PushRequest request, PushDone done) override {
      if (request.sequence < 2) {
        KeepingPs::Push(std::move(request), std::move(done));
      } else if (request.sequence != 3) {
        done(ReplyTo(request));
      }
    }
  };
  auto& ps = Made<Dropping>();
  const auto channel = ChannelTo(&ps);
  for (int i = 0; i < 5; ++i) Push(channel.get(), i);
  for (const auto& [push, done] : ps.pushes.WaitFor(2)) done(ReplyTo(push));
  const auto replies = replies_.WaitFor(5);
  for (const int i : {0, 1, 2, 4}) EXPECT_TRUE(replies.at(i).ok()) << i;
  EXPECT_TRUE(absl::IsUnavailable(replies.at(3))) << replies.at(3);
}

// The server may hold those behind it for it: who sends them learns of it
// before they are answered.
TEST_F(GrpcPushManyTest, ADroppedDoneEndsTheWaitForThoseBehindIt) {
  // Keeps what it is pushed, by number.
  class Keeping : public OrderingPs {
   public:
    void Push(PushRequest request, PushDone done) override {
      {
        MutexLock lock(&mu_);
        kept_[request.sequence] = std::move(done);
      }
      came.Add({std::move(request), nullptr});
    }
    PushDone Take(int64_t sequence) {
      MutexLock lock(&mu_);
      return std::move(kept_.extract(sequence).mapped());
    }

   private:
    Mutex mu_;
    std::map<int64_t, PushDone> kept_ ABSL_GUARDED_BY(mu_);
  };
  auto& ps = Made<Keeping>();
  const auto channel = ChannelTo(&ps);
  for (int i = 0; i < 6; ++i) Push(channel.get(), i);
  ps.came.WaitFor(2);
  ps.Take(0)(ReplyTo(PushOf(0)));
  ps.came.WaitFor(6);
  ps.Take(5)(ReplyTo(PushOf(5)));
  ps.Take(3) = nullptr;
  ps.Take(2)(ReplyTo(PushOf(2)));

  auto replies = replies_.WaitFor(5);
  for (const int i : {0, 2, 5}) EXPECT_TRUE(replies.at(i).ok()) << i;
  for (const int i : {3, 4}) {
    EXPECT_TRUE(absl::IsUnavailable(replies.at(i))) << replies.at(i);
  }
  ps.Take(4)(ReplyTo(PushOf(4)));  // Goes nowhere.
  ps.Take(1)(ReplyTo(PushOf(1)));
  EXPECT_TRUE(replies_.WaitFor(6).at(1).ok());
}

// It is what has the server let go of those that it holds.
TEST_F(GrpcPushManyTest, ANewIncarnationWaitsForNoneBeforeIt) {
  auto& ps = Made<KeepingPs>();
  const auto channel = ChannelTo(&ps);
  for (int i = 1; i < 4; ++i) Push(channel.get(), i);
  ps.pushes.WaitFor(2);
  Answer<PushReply> answer;
  channel->Push(PushOf(0, /*incarnation=*/1), kLong, answer.Done());
  const auto came = ps.pushes.WaitFor(3);
  EXPECT_EQ(came[2].first.incarnation, 1);
  came[2].second(ReplyTo(came[2].first));
  EXPECT_TRUE(answer.Wait().ok());
}

TEST_F(GrpcPushManyTest, TheDeadlinePassesOfThoseThatWaitToo) {
  auto& ps = Made<KeepingPs>();
  const auto channel = ChannelTo(&ps);
  for (int i = 0; i < 5; ++i) {
    Push(channel.get(), i, absl::Milliseconds(300));
  }
  ps.pushes.WaitFor(2);
  for (const auto& [push, status] : replies_.WaitFor(5)) {
    EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << push << status;
  }
}

TEST_F(GrpcPushManyTest, ADestroyedChannelCancelsThoseThatWait) {
  auto& ps = Made<KeepingPs>();
  auto channel = ChannelTo(&ps);
  for (int i = 0; i < 5; ++i) Push(channel.get(), i);
  ps.pushes.WaitFor(2);
  channel.reset();
  EXPECT_EQ(replies_.arrived(), 5u);
  for (const auto& [push, status] : replies_.WaitFor(5)) {
    EXPECT_TRUE(absl::IsCancelled(status)) << push << status;
  }
  EXPECT_EQ(ps.pushes.Now().size(), 2u);
}

TEST_F(GrpcPushManyTest, AServerThatIsGoneIsUnavailableToAll) {
  auto& ps = Made<KeepingPs>();
  const auto channel = ChannelTo(&ps);
  for (int i = 0; i < 5; ++i) Push(channel.get(), i);
  const auto first = ps.pushes.WaitFor(2)[0];
  first.second(ReplyTo(first.first));
  ps.pushes.WaitFor(5);
  listener_.reset();
  for (const auto& [push, status] : replies_.WaitFor(5)) {
    EXPECT_EQ(status.code(), push == first.first.sequence
                                 ? absl::StatusCode::kOk
                                 : absl::StatusCode::kUnavailable)
        << push << status;
  }
}

// --- One is refused ----------------------------------------------------------

// The server would hold those behind it until it comes again, and with them
// the call whose end tells the channel to send it again.
TEST_F(GrpcPushManyTest, KeysThatTheServerForgotComeWithThoseBehindThem) {
  auto& ps = Made<OrderingPs>();
  const auto channel = ChannelTo(&ps);
  const auto pull = [](PsChannel* from, std::vector<uint64_t> keys) {
    PullRequest request = MakePull(1);
    request.segments[0].rows = {{0, Payload::Of(std::move(keys))}};
    Answer<PullReply> answer;
    from->Pull(request, kLong, answer.Done());
    EXPECT_TRUE(answer.Wait().ok());
  };
  pull(channel.get(), {4, 5});
  // The same worker pulls more than is kept of it.
  const auto other = workers_.ConnectPs(listener_->address());
  for (uint64_t i = 0; i < 16; ++i) pull(other.get(), {i});

  // The server holds the first two until the one comes that is sent after the
  // rest.
  for (const int i : {1, 2, 3, 4, 5, 6}) {
    PushRequest push = PushOf(i);
    if (i == 4 || i == 6) {
      push.segments[0].rows = {{0, Payload::Of(std::vector<uint64_t>{4, 5}),
                                Payload::Of(std::vector<float>{1, 2})}};
    }
    channel->Push(std::move(push), kLong, replies_.Done(i));
  }
  ps.came.WaitFor(2);
  other->Push(PushOf(0), kLong, replies_.Done(0));

  for (const auto& [push, status] : replies_.WaitFor(7)) {
    EXPECT_TRUE(status.ok()) << push << status;
  }
  for (const auto& [push, done] : ps.came.WaitFor(7)) {
    if (push.sequence != 4 && push.sequence != 6) continue;
    EXPECT_EQ(push.segments[0].rows[0].keys.size(), 16) << push.sequence;
  }
  EXPECT_EQ(ps.came.Now().size(), 7u);
  EXPECT_GE(server_->keys()->unknown(), 1);
  EXPECT_EQ(server_->keys()->unknown(), worker_->keys()->unknown());
}

TEST_F(GrpcPushManyTest, OneThatCannotBeReadStopsThoseBehindIt) {
  auto& ps = Made<OrderingPs>();
  const auto stub = StubTo(&ps);
  v1::PushManyRequest request;
  *request.add_pushes() = MessageOf(0);
  request.add_pushes();
  *request.add_pushes() = MessageOf(2);
  v1::PushManyResponse response;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kLong));
  ASSERT_TRUE(stub->PushMany(&context, request, &response).ok());
  ASSERT_EQ(response.answers_size(), 3);
  EXPECT_EQ(response.answers(0).code(), 0);
  EXPECT_EQ(response.answers(0).reply().job(), 7u);
  EXPECT_EQ(response.answers(1).code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(response.answers(1).message(), HasSubstr("PushRequest.job"));
  EXPECT_EQ(response.answers(2).code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(Arrived(ps.came.Now()), ElementsAre(0));
  EXPECT_EQ(server_->refusals()->Of(Refusal::kMessage), 1);
}

TEST_F(GrpcPushManyTest, NoneAndTooManyAreRefused) {
  auto& ps = Made<OrderingPs>();
  const auto stub = StubTo(&ps);
  v1::PushManyRequest many;
  for (int i = 0; i < 65; ++i) *many.add_pushes() = MessageOf(i);
  for (const v1::PushManyRequest& request : {v1::PushManyRequest(), many}) {
    v1::PushManyResponse response;
    grpc::ClientContext context;
    EXPECT_EQ(stub->PushMany(&context, request, &response).error_code(),
              grpc::StatusCode::INVALID_ARGUMENT);
  }
  EXPECT_TRUE(ps.came.Now().empty());
  EXPECT_EQ(server_->refusals()->Of(Refusal::kMessage), 2);
}

TEST_F(GrpcPushManyTest, EachCountsAgainstTheLimitOfCalls) {
  auto& ps = Made<KeepingPs>();
  const auto stub = StubTo(&ps);
  v1::PushManyRequest six, more;
  for (int i = 0; i < 6; ++i) *six.add_pushes() = MessageOf(i);
  for (int i = 6; i < 8; ++i) *more.add_pushes() = MessageOf(i);
  v1::PushManyResponse response, refused;
  grpc::ClientContext context, other;
  Collected<grpc::Status> ended;
  stub->async()->PushMany(&context, &six, &response,
                          [&](grpc::Status s) { ended.Add(std::move(s)); });
  const auto kept = ps.pushes.WaitFor(6);
  ASSERT_TRUE(stub->PushMany(&other, more, &refused).ok());
  ASSERT_EQ(refused.answers_size(), 2);
  EXPECT_EQ(refused.answers(0).code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(refused.answers(1).code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(server_->refusals()->Of(Refusal::kCalls), 1);

  for (const auto& [push, done] : kept) done(ReplyTo(push));
  EXPECT_TRUE(ended.WaitFor(1).at(0).ok());
  ASSERT_EQ(response.answers_size(), 6);
  for (const auto& answer : response.answers()) EXPECT_EQ(answer.code(), 0);
}

TEST_F(GrpcPushManyTest, ThoseOfACallerThatIsGoneCountNoMore) {
  auto& ps = Made<KeepingPs>();
  const auto channel = ChannelTo(&ps);
  const auto stub = v1::ParameterServer::NewStub(grpc::CreateChannel(
      listener_->address(), grpc::InsecureChannelCredentials()));
  v1::PushManyRequest request;
  for (int i = 0; i < 6; ++i) *request.add_pushes() = MessageOf(i);
  v1::PushManyResponse response;
  grpc::ClientContext context;
  Collected<grpc::Status> ended;
  stub->async()->PushMany(&context, &request, &response,
                          [&](grpc::Status s) { ended.Add(std::move(s)); });
  ps.pushes.WaitFor(3)[2].second(ReplyTo(PushOf(2)));
  ps.pushes.WaitFor(6);
  context.TryCancel();
  ended.WaitFor(1);
  // The server hears of it some time after the caller. As many are taken as if
  // none were there.
  const absl::Time end = absl::Now() + kLong;
  for (size_t taken = 6; taken < 12 && absl::Now() < end;) {
    const size_t answered = replies_.arrived();
    Push(channel.get(), 0);
    while (replies_.arrived() == answered && ps.pushes.Now().size() == taken &&
           absl::Now() < end) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    taken = ps.pushes.Now().size();
  }
  for (const auto& [push, done] : ps.pushes.WaitFor(12)) done(ReplyTo(push));
}

// --- Other servers -----------------------------------------------------------

// Holds each call of Push until it is released; generated classes.
class HoldingPs : public v1::ParameterServer::Service {
 public:
  grpc::Status Push(grpc::ServerContext*, const v1::PushRequest* request,
                    v1::PushResponse* response) override {
    pushes.Add(request->sequence());
    released.WaitFor(1);
    Reply(*request, response);
    return grpc::Status::OK;
  }

  Collected<int64_t> pushes;
  Collected<bool> released;

 protected:
  static void Reply(const v1::PushRequest& request, v1::PushResponse* reply) {
    reply->set_job(request.job());
    reply->mutable_item();
    reply->set_sequence(request.sequence());
  }
};

class GeneratedPs : public HoldingPs {
 public:
  grpc::Status PushMany(grpc::ServerContext*,
                        const v1::PushManyRequest* request,
                        v1::PushManyResponse* response) override {
    std::vector<int64_t> sequences;
    for (const v1::PushRequest& push : request->pushes()) {
      sequences.push_back(push.sequence());
      Reply(push, response->add_answers()->mutable_reply());
    }
    if (fewer) response->mutable_answers()->RemoveLast();
    together.Add(sequences);
    return grpc::Status::OK;
  }

  bool fewer = false;  // Set before the first call.
  Collected<std::vector<int64_t>> together;
};

TEST_F(GrpcPushManyTest, WhatWaitsTravelsInOneCall) {
  auto& ps = Made<GeneratedPs>();
  const auto channel = ChannelTo(&ps);
  for (int i = 0; i < 7; ++i) Push(channel.get(), i);
  ps.pushes.WaitFor(2);
  ps.released.Add(true);
  for (const auto& [push, status] : replies_.WaitFor(7)) {
    EXPECT_TRUE(status.ok()) << push << status;
  }
  EXPECT_EQ(ps.pushes.Now().size(), 2u);
  EXPECT_THAT(ps.together.Now(), ElementsAre(ElementsAre(2, 3, 4, 5, 6)));
}

TEST_F(GrpcPushManyTest, AnAnswerTooFewIsAFailureOfAll) {
  auto& ps = Made<GeneratedPs>();
  ps.fewer = true;
  const auto channel = ChannelTo(&ps);
  for (int i = 0; i < 5; ++i) Push(channel.get(), i);
  ps.pushes.WaitFor(2);
  ps.released.Add(true);
  const auto replies = replies_.WaitFor(5);
  for (int i = 2; i < 5; ++i) {
    EXPECT_TRUE(absl::IsInvalidArgument(replies.at(i))) << replies.at(i);
  }
}

TEST_F(GrpcPushManyTest, AnOlderServerIsSentThemOneByOne) {
  auto& ps = Made<HoldingPs>();
  const auto channel = ChannelTo(&ps);
  for (int i = 0; i < 7; ++i) Push(channel.get(), i);
  ps.pushes.WaitFor(2);
  ps.released.Add(true);
  for (const auto& [push, status] : replies_.WaitFor(7)) {
    EXPECT_TRUE(status.ok()) << push << status;
  }
  EXPECT_THAT(ps.pushes.Now(),
              testing::UnorderedElementsAre(0, 1, 2, 3, 4, 5, 6));
  // From now on none waits.
  for (int i = 7; i < 20; ++i) Push(channel.get(), i);
  replies_.WaitFor(20);
  EXPECT_EQ(ps.pushes.Now().size(), 20u);
}

}  // namespace
}  // namespace ebb::rpc
