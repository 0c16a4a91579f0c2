#include "tools/ebb/advise/machine_kinds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ebb::tools {
namespace {

using ::testing::HasSubstr;

constexpr char kGood[] =
    "# Prices of a day.\r\n"
    "kind,role,price,speed,losses,most\r\n"
    "spot,worker,0.034,1.5,0.3,64\r\n"
    "\r\n"
    "plain, worker, 0.12,,,\r\n"
    "steady,server,0.2,8,,\n";

TEST(MachineKindsTest, ReadsATable) {
  const auto kinds = ReadMachineKinds(kGood, "prices.csv");
  ASSERT_TRUE(kinds.ok()) << kinds.status();
  ASSERT_EQ(kinds->workers.size(), 2u);
  EXPECT_EQ(kinds->workers[0].name, "spot");
  EXPECT_EQ(kinds->workers[0].price, 0.034);
  EXPECT_EQ(kinds->workers[0].speed, 1.5);
  EXPECT_EQ(kinds->workers[0].losses_per_hour, 0.3);
  EXPECT_EQ(kinds->workers[0].most, 64);
  EXPECT_EQ(kinds->workers[1].speed, 1);
  EXPECT_FALSE(kinds->workers[1].losses_per_hour.has_value());
  EXPECT_EQ(kinds->server.price, 0.2);
  EXPECT_EQ(kinds->server.processors, 8);
}

struct Wrong {
  const char* text;
  const char* message;
};

TEST(MachineKindsTest, NamesEachMistake) {
  const std::string header = "kind,role,price,speed,losses,most\n";
  for (const Wrong& wrong : std::initializer_list<Wrong>{
           {"", "no machines for workers"},
           {"a,worker,1,1,0,1\n", "no machine for servers"},
           {"a,boss,1,1,0,1\n", "prices.csv:2: role: \"boss\" is not a role"},
           {"a,worker,1,1,0\n", "prices.csv:2: has 5 fields, not 6"},
           {"a,worker,,1,0,1\n", "price: \"\" is not a number"},
           {"a,worker,nan,1,0,1\n", "price: \"nan\" is not a number"},
           {"a,worker,-1,1,0,1\n", "price: \"-1\" is not a number from 0"},
           {"a,worker,1,0,0,1\n", "speed: \"0\" is not a number"},
           {"a,worker,1,1,9999,1\n", "losses: \"9999\" is not a number"},
           {"a,worker,1,1,0,0\n", "most: \"0\" is not a number from 1"},
           {"a,worker,1,1,0,1\na,worker,1,1,0,1\n", "\"a\" is there twice"},
           {"a,server,1,1,,\nb,server,1,1,,\n", "a second kind of server"},
           {"a,server,1,1,0.5,\n", "servers that stay"},
           {"a,server,1,1,,3\n", "most: is for workers"},
           {",worker,1,1,0,1\n", "kind: is empty"},
       }) {
    EXPECT_THAT(
        ReadMachineKinds(header + wrong.text, "prices.csv").status().ToString(),
        HasSubstr(wrong.message))
        << wrong.text;
  }
  EXPECT_THAT(ReadMachineKinds("price\n", "p.csv").status().ToString(),
              HasSubstr("p.csv:1: the header is \"price\""));
}

}  // namespace
}  // namespace ebb::tools
