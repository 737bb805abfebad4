#include "base/bounded_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

namespace sherd {
namespace {

TEST(BoundedQueue, FirstInFirstOutAcrossThreads) {
  BoundedQueue<int> queue(3);
  std::thread producer([&] {
    for (int i = 0; i < 2000; ++i) EXPECT_TRUE(queue.Push(i));
    queue.Close();
  });
  int expected = 0;
  while (std::optional<int> value = queue.Pop()) {
    EXPECT_LE(queue.size(), 3u);
    ASSERT_EQ(*value, expected++);
  }
  producer.join();
  EXPECT_EQ(expected, 2000);
}

TEST(BoundedQueue, AFullOneBlocksItsProducerUntilThereIsRoom) {
  BoundedQueue<int> queue(2);
  std::atomic<int> pushed{0};
  std::thread producer([&] {
    for (int i = 0; i < 4; ++i) {
      EXPECT_TRUE(queue.Push(i));
      ++pushed;
    }
  });
  while (pushed < 2) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(pushed, 2);
  EXPECT_EQ(queue.size(), 2u);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(queue.Pop(), i);
  producer.join();
}

TEST(BoundedQueue, ClosingWakesBothEndsAndKeepsWhatIsQueued) {
  BoundedQueue<int> full(1), empty(1);
  ASSERT_TRUE(full.Push(7));
  std::thread producer([&] { EXPECT_FALSE(full.Push(8)); });
  std::thread consumer([&] { EXPECT_EQ(empty.Pop(), std::nullopt); });
  full.Close();
  empty.Close();
  producer.join();
  consumer.join();
  EXPECT_TRUE(full.closed());
  EXPECT_EQ(full.Pop(), 7);
  EXPECT_EQ(full.Pop(), std::nullopt);
  EXPECT_FALSE(full.Push(9));
}

TEST(BoundedQueue, WaitsNoLongerThanItIsTold) {
  BoundedQueue<int> queue(1);
  EXPECT_EQ(queue.TryPop(), std::nullopt);
  EXPECT_EQ(queue.PopFor(std::chrono::milliseconds(1)), std::nullopt);
  ASSERT_TRUE(queue.Push(5));
  EXPECT_EQ(queue.PopFor(std::chrono::hours(1)), 5);
}

TEST(BoundedQueue, ManyProducersAndConsumersLoseAndRepeatNothing) {
  constexpr int kThreads = 4, kEach = 1000;
  BoundedQueue<std::unique_ptr<int>> queue(8);
  std::vector<std::vector<int>> taken(kThreads);
  std::vector<std::thread> producers, consumers;
  for (int t = 0; t < kThreads; ++t) {
    producers.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) EXPECT_TRUE(queue.Push(std::make_unique<int>(t * kEach + i)));
    });
    consumers.emplace_back([&, t] {
      while (auto value = queue.Pop()) taken[static_cast<std::size_t>(t)].push_back(**value);
    });
  }
  for (auto& thread : producers) thread.join();
  queue.Close();
  for (auto& thread : consumers) thread.join();
  std::vector<int> count(kThreads * kEach);
  for (const auto& values : taken) {
    for (const int value : values) ++count[static_cast<std::size_t>(value)];
  }
  EXPECT_EQ(count, std::vector<int>(kThreads * kEach, 1));
}

}  // namespace
}  // namespace sherd
