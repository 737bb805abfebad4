#include "worker/data/neighbourhood_finder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "tests/worker/data/data_testing.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

// Names of nodes: "u3", "i7".
using Names = std::set<std::string>;

class NeighbourhoodFinderTest : public ::testing::Test {
 protected:
  // 30 users and 40 items; item i40 and user u30 are in the test file alone.
  NeighbourhoodFinderTest() {
    std::string train;
    TestRandom random(4);
    for (int edge = 0; edge < 90; ++edge) {
      const std::string user = "u" + std::to_string(random.Next(30)), item = "i" + std::to_string(random.Next(40));
      train += user + "\t" + item + "\n";
      train += edge % 10 == 0 ? user + "\t" + item + "\n" : "";  // a pair that stands there twice is one edge
      edges_[user].insert(item);
      edges_[item].insert(user);
    }
    folder_.Write("train", train);
    folder_.Write("test", "u30\ti40\nu1\ti40\n");
    for (int i = 0; i <= 40; ++i) {
      for (const std::string& name : {"u" + std::to_string(i), "i" + std::to_string(i)}) {
        names_[HashBytes(name, HashBytes(name[0] == 'u' ? "user" : "item"))] = name;
      }
    }
  }

  proto::Job Job(const std::string& convolution) const {
    return ParseTestJob("data { format: USER_ITEM data_dir: '" + folder_.path() +
                        "' train: 'train' test: 'test' user_item { negatives: 1 } } " +
                        "feature { column: 'user' table: 'user' } feature { column: 'item' table: 'item' }" +
                        "model { name: 'lightgcn' loss: BPR graph_convolution { " + convolution + " } }" +
                        "evaluation { full_ranking { } } train { batch_size: 6 }");
  }

  std::vector<std::string> NodesOf(const Minibatch& minibatch, int table) const {
    std::vector<std::string> nodes;
    for (const Key key : minibatch.tables[table].keys) nodes.push_back(names_.at(key));
    return nodes;
  }

  // All that is at most so many edges away.
  Names Within(Names from, int hops) const {
    for (; hops > 0; --hops) {
      for (const std::string& name : Names(from)) {
        if (edges_.contains(name)) from.insert(edges_.at(name).begin(), edges_.at(name).end());
      }
    }
    return from;
  }

  // A minibatch's neighbourhood against the edges.
  void ExpectAll(const Minibatch& minibatch, std::uint32_t layers) const {
    const Neighbourhood::Side* const sides[] = {&minibatch.neighbourhood.user, &minibatch.neighbourhood.item};
    const std::vector<std::string> nodes[] = {NodesOf(minibatch, 0), NodesOf(minibatch, 1)};
    Names own;
    for (int s = 0; s < 2; ++s) {
      ASSERT_EQ(sides[s]->within.size(), layers + 1);
      ASSERT_EQ(sides[s]->nodes(), nodes[s].size());
      ASSERT_EQ(sides[s]->row.size(), minibatch.rows);
      for (const std::uint32_t node : sides[s]->row) own.insert(nodes[s][node]);
    }
    for (std::uint32_t hops = 0; hops <= layers; ++hops) {
      Names found;
      for (int s = 0; s < 2; ++s) found.insert(nodes[s].begin(), nodes[s].begin() + sides[s]->within[hops]);
      EXPECT_EQ(found, Within(own, static_cast<int>(hops)));
    }
    for (int s = 0; s < 2; ++s) {
      for (std::uint32_t node = 0; node < sides[s]->nodes(); ++node) {
        const auto edges = edges_.find(nodes[s][node]);
        const std::size_t degree = edges == edges_.end() ? 0 : edges->second.size();
        EXPECT_FLOAT_EQ(sides[s]->scale[node], degree == 0 ? 0 : 1 / std::sqrt(static_cast<float>(degree)));
        if (node >= sides[s]->within[layers - 1]) continue;
        Names neighbours;
        for (std::uint32_t e = sides[s]->begin[node]; e < sides[s]->begin[node + 1]; ++e) {
          EXPECT_TRUE(neighbours.insert(nodes[1 - s][sides[s]->neighbour[e]]).second);
        }
        EXPECT_EQ(neighbours, degree == 0 ? Names() : edges->second);
        EXPECT_EQ(sides[s]->share[node], 1);
      }
    }
  }

  TemporaryFolder folder_;
  std::map<std::string, Names> edges_;
  std::map<Key, std::string> names_;
};

TEST_F(NeighbourhoodFinderTest, IsAllThatIsSoManyEdgesAwayInTrainingAndInRankings) {
  for (const std::uint32_t layers : {1u, 2u, 3u}) {
    OpenedData data(Job("layers: " + std::to_string(layers)));
    std::uint32_t rows = 0, isolated = 0;
    for (const auto set : {proto::Chunk::TRAIN, proto::Chunk::TEST}) {
      for (const proto::Chunk& chunk : data.Chunks(set)) {
        for (const Minibatch& minibatch : data.Read(chunk)) {
          ExpectAll(minibatch, layers);
          rows += minibatch.rows;
          for (const std::string& node : NodesOf(minibatch, 1)) isolated += node == "i40";
        }
      }
    }
    const auto items = std::count_if(edges_.begin(), edges_.end(), [](const auto& e) { return e.first[0] == 'i'; });
    EXPECT_EQ(rows, 2u * 99 + (items + 1) + 2)
        << "positives and negatives; all items, and the two users of the test set";
    EXPECT_EQ(isolated, 1u) << "an item without an edge is ranked like any other";
  }
}

TEST_F(NeighbourhoodFinderTest, SomeNeighboursStandForAllInTrainingAlone) {
  OpenedData data(Job("layers: 2 max_neighbours: 2"));
  std::map<std::string, std::set<Names>> taken;
  for (std::uint32_t epoch = 0; epoch < 6; ++epoch) {
    for (const proto::Chunk& chunk : data.Chunks(proto::Chunk::TRAIN, epoch)) {
      for (const Minibatch& minibatch : data.Read(chunk, epoch)) {
        const std::vector<std::string> users = NodesOf(minibatch, 0), items = NodesOf(minibatch, 1);
        const Neighbourhood::Side& side = minibatch.neighbourhood.user;
        for (std::uint32_t node = 0; node < side.within[1]; ++node) {
          Names neighbours;
          for (std::uint32_t e = side.begin[node]; e < side.begin[node + 1]; ++e) {
            neighbours.insert(items[side.neighbour[e]]);
          }
          const Names& all = edges_.at(users[node]);
          EXPECT_EQ(neighbours.size(), std::min<std::size_t>(2, all.size()));
          EXPECT_TRUE(std::includes(all.begin(), all.end(), neighbours.begin(), neighbours.end()));
          EXPECT_FLOAT_EQ(side.share[node] * static_cast<float>(neighbours.size()), static_cast<float>(all.size()));
          if (all.size() > 2) taken[users[node]].insert(neighbours);
        }
      }
    }
  }
  std::size_t several = 0;
  for (const auto& [user, sets] : taken) several += sets.size() > 1;
  EXPECT_GT(several, taken.size() / 2) << "others in each epoch";
  for (const Minibatch& minibatch : data.Read(data.Chunks(proto::Chunk::TEST)[0])) ExpectAll(minibatch, 2);
}

TEST_F(NeighbourhoodFinderTest, WithoutTrainingRowsThereIsNoGraph) {
  proto::Job job = Job("layers: 2");
  job.mutable_data()->clear_train();
  EXPECT_THAT(OpenError(job).text(), HasSubstr("data.train: the graph of lightgcn is made of the training rows"));
}

}  // namespace
}  // namespace sherd
