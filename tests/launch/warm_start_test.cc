#include "launch/warm_start.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/job_file.h"

namespace sherd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

proto::ModelSpec ModelOf(const std::map<std::string, int>& tables, const std::map<std::string, int>& tensors) {
  proto::ModelSpec model;
  for (const auto& [name, dim] : tables) {
    proto::TableSpec* table = model.add_table();
    table->set_name(name);
    table->add_segment()->set_name("embedding");
    table->mutable_segment(0)->set_dim(static_cast<std::uint32_t>(dim));
  }
  for (const auto& [name, rows] : tensors) {
    proto::TensorSpec* tensor = model.add_tensor();
    tensor->set_name(name);
    tensor->set_rows(static_cast<std::uint32_t>(rows));
    tensor->set_cols(1);
  }
  return model;
}

const proto::ModelSpec kOurs =
    ModelOf({{"item", 8}, {"user", 8}}, {{"head.bias", 1}, {"tower.0.w", 5}, {"tower.1.w", 6}});
const proto::ModelSpec kTheirs =
    ModelOf({{"items", 8}, {"user", 8}, {"tower.0.w", 1}}, {{"deep.0.w", 5}, {"deep.1.w", 6}});

Result<proto::LoadCheckpoint> Resolve(const std::string& fields) {
  const std::string job = R"(name: "j" data { format: CRITEO_TSV } feature { column: "C1" categorical {} }
model { name: "lr" } warm_start { checkpoint: "c" )";
  return ResolveWarmStart(ParseJob(job + fields + " }", "j").value().warm_start(), kOurs, kTheirs);
}

TEST(WarmStart, PartsGetTheirNamesThere) {
  const auto load = Resolve(R"(load { name: "user" } load { name: "item" from: "items" }
                               load { name: "tower.*" from: "deep.*" } fresh: "head.*")");
  ASSERT_TRUE(load.ok()) << load.status().text();
  std::map<std::string, std::string> parts;
  for (const proto::LoadPart& part : load->part()) parts[part.name()] = part.from();
  EXPECT_EQ(parts, (std::map<std::string, std::string>{
                       {"user", "user"}, {"item", "items"}, {"tower.0.w", "deep.0.w"}, {"tower.1.w", "deep.1.w"}}));
}

TEST(WarmStart, WhatIsNeitherLoadedNorFreshIsListed) {
  const auto load = Resolve(R"(load { name: "user" } fresh: "tower.1.*")");
  EXPECT_EQ(load.status().code(), ErrorCode::kInvalid);
  EXPECT_THAT(load.status().text(), HasSubstr("neither loaded nor fresh: item, head.bias, tower.0.w"));
}

TEST(WarmStart, EveryProblemIsNamed) {
  const auto load =
      Resolve(R"(load { name: "item" } load { name: "tower.*" from: "deep.0.w" } load { name: "nothing.*" }
                               load { name: "user" from: "*" } fresh: "head.bias" fresh: "user")");
  EXPECT_THAT(load.status().text(),
              AllOf(HasSubstr("table 'item': the checkpoint has no table 'item'"),
                    HasSubstr("tensor 'tower.1.w': 5 x 1 floats in the checkpoint, 6 x 1 floats here"),
                    HasSubstr("the model has nothing called 'nothing.*'"), HasSubstr("'user' is both loaded and fresh"),
                    HasSubstr("'user' from '*': one * at most"), Not(HasSubstr("tensor 'tower.0.w'"))));
}

TEST(WarmStart, ATableIsNoTensor) {
  const auto load =
      Resolve(R"(load { name: "tower.0.w" } fresh: "tower.1.w" fresh: "head.*" fresh: "user" fresh: "item")");
  EXPECT_THAT(load.status().text(), HasSubstr("the checkpoint has no tensor 'tower.0.w'"));
}

TEST(WarmStart, AStarMayStandForNothing) {
  const auto load = Resolve(R"(load { name: "user*" } fresh: "*tower*" fresh: "item" fresh: "*d.bias")");
  EXPECT_THAT(load.status().text(), HasSubstr("more than one *"));
  EXPECT_TRUE(Resolve(R"(load { name: "user*" } fresh: "tower*" fresh: "item" fresh: "*d.bias")").ok());
}

}  // namespace
}  // namespace sherd
