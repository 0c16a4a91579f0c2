#include "common/metrics/metrics_server.h"

#include <httplib.h>

#include <atomic>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/metrics/open_metrics.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::metrics {
namespace {

using ::testing::HasSubstr;

TEST(MetricsServerTest, AnswersWithTheTextOfTheMoment) {
  std::atomic<int> asked = 0;
  const auto server =
      MetricsServer::Start({}, [&] { return absl::StrCat("text ", ++asked); });
  ASSERT_TRUE(server.ok()) << server.status();
  httplib::Client client("127.0.0.1", (*server)->port());

  for (int i = 1; i <= 3; ++i) {
    const auto response = client.Get("/metrics");
    ASSERT_TRUE(response) << httplib::to_string(response.error());
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, absl::StrCat("text ", i));
    EXPECT_EQ(response->get_header_value("Content-Type"),
              OpenMetrics::kContentType);
  }
}

TEST(MetricsServerTest, NothingElseIsThere) {
  const auto server = MetricsServer::Start({}, [] { return "text"; });
  ASSERT_TRUE(server.ok()) << server.status();
  httplib::Client client("127.0.0.1", (*server)->port());

  const auto other = client.Get("/");
  ASSERT_TRUE(other);
  EXPECT_EQ(other->status, 404);
  const auto post = client.Post("/metrics", "x", "text/plain");
  ASSERT_TRUE(post);
  EXPECT_NE(post->status, 200);
  const auto metrics = client.Get("/metrics");
  ASSERT_TRUE(metrics);
  EXPECT_EQ(metrics->status, 200);
}

TEST(MetricsServerTest, WhoAsksNothingKeepsOthersNotForLong) {
  const auto server = MetricsServer::Start({}, [] { return "text"; });
  ASSERT_TRUE(server.ok()) << server.status();
  // Connected, and silent.
  std::vector<socket_t> silent;
  for (int i = 0; i < 2; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>((*server)->port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address),
                      sizeof(address)),
              0);
    silent.push_back(fd);
  }
  httplib::Client client("127.0.0.1", (*server)->port());
  client.set_read_timeout(60);

  const auto response = client.Get("/metrics");

  ASSERT_TRUE(response) << httplib::to_string(response.error());
  EXPECT_EQ(response->body, "text");
  for (const socket_t fd : silent) close(fd);
}

TEST(MetricsServerTest, ATakenPortIsNamed) {
  const auto first = MetricsServer::Start({}, [] { return ""; });
  ASSERT_TRUE(first.ok()) << first.status();

  const auto second =
      MetricsServer::Start({.port = (*first)->port()}, [] { return ""; });

  EXPECT_TRUE(absl::IsUnavailable(second.status())) << second.status();
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr(absl::StrCat("127.0.0.1:", (*first)->port())));
}

}  // namespace
}  // namespace ebb::metrics
