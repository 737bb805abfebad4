#include "worker/ps_client.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "net/memory_network.h"
#include "ps/shard.h"

namespace sherd {
namespace {

constexpr char kEndpoint[] = "inproc://shard";
constexpr std::uint32_t kRowFloats = 3, kKeys = 4;

proto::ModelSpec Spec() {
  proto::ModelSpec spec;
  proto::TableSpec* table = spec.add_table();
  table->set_name("t");
  proto::SegmentSpec* segment = table->add_segment();
  segment->set_name("v");
  segment->set_dim(kRowFloats);
  segment->mutable_optimizer()->mutable_sgd()->set_learning_rate(0.1);
  proto::TensorSpec* tensor = spec.add_tensor();
  tensor->set_name("m");
  tensor->set_rows(10);
  tensor->set_cols(13);
  tensor->mutable_optimizer()->mutable_sgd()->set_learning_rate(0.1);
  tensor->mutable_initializer()->set_kind(proto::Initializer::XAVIER);
  return spec;
}

// A client, and the one shard that it talks to.
class Conversation {
 public:
  Conversation(PsClient::Dense dense, proto::Encoding encoding, std::uint32_t cache_clocks = 0)
      : network_({.job = 0}),
        worker_(network_.Open()),
        server_(network_.Open()),
        layout_(Spec(), 1),
        shard_(Options(dense), ShardStore::Make(Spec(), 1, 0, 1).value()) {
    CHECK(server_->Bind(kEndpoint).ok());
    proto::StartEpoch start;
    start.add_worker(0);
    shard_.Handle({.from = "s", .message = MakeControl(proto::START_EPOCH, start)});
    PsClient::Options options;
    options.map.set_epoch(1);
    options.map.add_endpoint(kEndpoint);
    options.dense = dense;
    options.encoding = encoding;
    options.cache = {.clocks = cache_clocks, .rows = 1024};
    client_ = std::make_unique<PsClient>(worker_.get(), options, &layout_);
    CHECK(client_->Connect().ok());
  }

  PsClient& client() { return *client_; }
  const ParameterLayout& layout() const { return layout_; }

  // Until everything is answered. Returns what was asked.
  std::vector<proto::Header> Exchange(const WorkPtr& work) {
    std::vector<proto::Header> requests;
    while (work->unanswered > 0) {
      std::optional<Envelope> request = server_->Receive(Clock::now() + std::chrono::seconds(10));
      CHECK(request.has_value());
      requests.push_back(request->message.header);
      for (Envelope& reply : shard_.Handle(std::move(*request))) {
        EXPECT_EQ(reply.message.header.code(), proto::OK) << reply.message.header.text();
        CHECK(server_->Send(reply.from, std::move(reply.message)).ok());
        std::optional<Envelope> answer = worker_->Receive(Clock::now() + std::chrono::seconds(10));
        CHECK(answer.has_value());
        const Status status = client_->Handle(std::move(*answer));
        CHECK(status.ok()) << status.text();
      }
    }
    return requests;
  }

  // What the shard holds.
  std::vector<float> Rows(const WorkPtr& work) {
    std::vector<float> rows(kKeys * kRowFloats);
    CHECK(shard_.store().table(0).Pull(std::as_const(work->keys[0].keys).span(), rows.data()).ok());
    return rows;
  }
  std::vector<float> Blocks() {
    std::vector<float> blocks(layout_.dense_floats[0]);
    shard_.store().dense().Pull(blocks.data());
    return blocks;
  }

 private:
  static ShardOptions Options(PsClient::Dense dense) {
    ShardOptions options{.shard = 0, .map_epoch = 1, .train = {}, .memory_budget = 0, .spill_dir = ""};
    if (dense == PsClient::Dense::kApart) options.train.set_dense_staleness(0);
    return options;
  }

  MemoryNetwork network_;
  const std::unique_ptr<Mailbox> worker_, server_;
  const ParameterLayout layout_;
  Shard shard_;
  std::unique_ptr<PsClient> client_;
};

WorkPtr MakeWork(const ParameterLayout& layout) {
  auto task = std::make_shared<proto::Task>();
  task->set_kind(proto::Task::TRAIN);
  auto work = std::make_shared<Work>();
  work->task = std::move(task);
  work->minibatch.rows = 2;
  UniqueKeys& unique = work->keys.emplace_back();
  unique.keys.Resize(kKeys);
  for (std::uint32_t i = 0; i < kKeys; ++i) unique.keys[i] = 10 + i;
  unique.shard_begin = {0, kKeys};
  work->gradients.emplace_back(kKeys * kRowFloats);
  work->dense_gradients.emplace_back(layout.dense_floats[0]);
  return work;
}

void Fill(std::uint64_t seed, AlignedBuffer<float>* values) {
  for (std::size_t i = 0; i < values->size(); ++i) (*values)[i] = UnitFloat(Mix(seed, i)) - 0.5f;
}

// What is left of values that have travelled.
std::vector<float> Travelled(const ValueCodec& codec, proto::Encoding encoding, std::vector<float> values) {
  std::vector<std::byte> bytes(codec.bytes(encoding));
  for (std::size_t i = 0; i < values.size(); i += codec.floats()) {
    codec.Encode(encoding, &values[i], {}, bytes.data());
    codec.Decode(encoding, bytes.data(), &values[i]);
  }
  return values;
}

std::vector<float> FloatsOf(const Frame& frame) {
  const auto floats = frame.As<float>();
  return {floats.begin(), floats.end()};
}

// In any encoding, dense blocks that are pulled by themselves are the same as with the rows, and a push names the pull
// of the rows, whose keys it does not repeat.
TEST(PsClientTest, DenseBlocksApartAreTheSameInAnyEncoding) {
  for (const proto::Encoding encoding : {proto::FP32, proto::BF16, proto::INT8}) {
    Conversation with(PsClient::Dense::kWithRows, encoding), apart(PsClient::Dense::kApart, encoding);
    const std::vector<float> blocks = with.Blocks();
    for (Conversation* each : {&with, &apart}) {
      const WorkPtr work = MakeWork(each->layout());
      for (std::uint64_t clock = 0; clock < 3; ++clock) {
        work->clock = clock;
        each->client().Pull(work);
        const std::vector<proto::Header> pulls = each->Exchange(work);
        ASSERT_EQ(pulls.size(), each == &with ? 1u : 2u);
        ASSERT_EQ(work->values[0].size(), 1u);
        EXPECT_EQ(FloatsOf(work->values[0][0]), Travelled(each->layout().row_codecs[0], encoding, each->Rows(work)));
        EXPECT_EQ(FloatsOf(work->dense_values[0]), Travelled(each->layout().dense_codecs[0], encoding, each->Blocks()));
        Fill(Mix(clock, 1), &work->gradients[0]);
        Fill(Mix(clock, 2), &work->dense_gradients[0]);
        each->client().Push(work, 0);
        const std::vector<proto::Header> pushes = each->Exchange(work);
        ASSERT_EQ(pushes.size(), 1u);
        EXPECT_EQ(pushes[0].keys_of(), pulls[0].request());
        EXPECT_EQ(pulls[0].section(0).count(), kKeys);
      }
      EXPECT_NE(each->Blocks(), blocks);
    }
    const WorkPtr work = MakeWork(with.layout());
    EXPECT_EQ(apart.Rows(work), with.Rows(work));
    EXPECT_EQ(apart.Blocks(), with.Blocks());
  }
}

// Rows are pulled once in so many clocks and one, in whatever encoding, while every push reaches the shard.
TEST(PsClientTest, KeptRowsAreNoOlderThanTheirBound) {
  for (const proto::Encoding encoding : {proto::FP32, proto::INT8}) {
    for (const std::uint32_t bound : {0u, 2u}) {
      Conversation talk(PsClient::Dense::kWithRows, encoding, bound);
      const ValueCodec& codec = talk.layout().row_codecs[0];
      const WorkPtr work = MakeWork(talk.layout());
      std::vector<float> pulled;
      for (std::uint64_t clock = 0; clock < 7; ++clock) {
        work->clock = clock;
        work->staleness = 0;
        talk.client().Pull(work);
        const std::vector<proto::Header> pulls = talk.Exchange(work);
        ASSERT_EQ(pulls.size(), 1u) << "clocks hold it up, whatever it asks for";
        const std::uint64_t age = clock % (bound + 1);
        EXPECT_EQ(pulls[0].section(0).dense(), age != 0) << "no rows are asked for";
        EXPECT_EQ(pulls[0].unnamed(), bound > 0);
        if (age == 0) pulled = Travelled(codec, encoding, talk.Rows(work));
        ASSERT_EQ(work->values[0].size(), 1u);
        EXPECT_EQ(FloatsOf(work->values[0][0]), pulled) << clock;
        EXPECT_EQ(work->staleness, age);
        EXPECT_EQ(FloatsOf(work->dense_values[0]), Travelled(talk.layout().dense_codecs[0], encoding, talk.Blocks()));
        const std::vector<float> before = talk.Rows(work);
        Fill(Mix(clock, 1), &work->gradients[0]);
        Fill(Mix(clock, 2), &work->dense_gradients[0]);
        talk.client().Push(work, 0);
        const std::vector<proto::Header> pushes = talk.Exchange(work);
        ASSERT_EQ(pushes.size(), 1u);
        EXPECT_EQ(pushes[0].has_keys_of(), bound == 0);
        EXPECT_EQ(pushes[0].section(0).count(), kKeys);
        EXPECT_NE(talk.Rows(work), before);
      }
    }
  }
}

// Of a minibatch's rows the kept ones and the pulled ones come to their places.
TEST(PsClientTest, KeptRowsStandAmongPulledOnes) {
  Conversation talk(PsClient::Dense::kWithRows, proto::FP32, 5);
  const WorkPtr first = MakeWork(talk.layout()), second = MakeWork(talk.layout());
  const Key keys[kKeys] = {20, 12, 10, 21};
  std::copy(std::begin(keys), std::end(keys), second->keys[0].keys.begin());
  Fill(1, &first->gradients[0]);
  Fill(2, &first->dense_gradients[0]);
  talk.client().Push(first, 0);
  talk.Exchange(first);
  first->clock = second->clock = 1;
  talk.client().Pull(first);
  talk.Exchange(first);
  talk.client().Pull(second);
  const std::vector<proto::Header> pulls = talk.Exchange(second);
  EXPECT_EQ(pulls[0].section(0).count(), 2u);
  EXPECT_EQ(FloatsOf(second->values[0][0]), talk.Rows(second));
}

// The shard has another primary: what the old one has not answered is asked of it, and what the old one says from then
// on counts for nothing.
TEST(PsClientTest, ByANewMapWhatIsUnansweredIsAskedOfTheNewPrimary) {
  MemoryNetwork network({.job = 0});
  const auto worker = network.Open(), old_primary = network.Open(), new_primary = network.Open();
  ASSERT_TRUE(old_primary->Bind("inproc://old").ok());
  ASSERT_TRUE(new_primary->Bind("inproc://new").ok());
  const auto receive = [](Mailbox* mailbox) {
    std::optional<Envelope> envelope = mailbox->Receive(Clock::now() + std::chrono::seconds(10));
    CHECK(envelope.has_value());
    return *std::move(envelope);
  };
  const ParameterLayout layout(Spec(), 1);
  PsClient::Options options;
  options.map.set_epoch(1);
  options.map.add_endpoint("inproc://old");
  PsClient client(worker.get(), options, &layout);
  ASSERT_TRUE(client.Connect().ok());
  const auto answer = [&](Mailbox* from, const Envelope& request, proto::StatusCode code) {
    CHECK(from->Send(request.from, MakeReply(request.message.header, code)).ok());
    const Status status = client.Handle(receive(worker.get()));
    EXPECT_TRUE(status.ok()) << status.text();
  };

  const WorkPtr work = MakeWork(layout);
  client.Push(work, 0);
  const Envelope first = receive(old_primary.get());
  EXPECT_EQ(first.message.header.map_epoch(), 1u);
  answer(old_primary.get(), first, proto::MAP_CHANGED);
  EXPECT_EQ(work->unanswered, 1u) << "it waits for the map";

  proto::ShardMap map;
  map.set_epoch(2);
  map.add_endpoint("inproc://new");
  ASSERT_TRUE(client.TakeMap(map).ok());
  ASSERT_TRUE(client.Tick().ok());
  const Envelope again = receive(new_primary.get());
  EXPECT_EQ(again.message.header.map_epoch(), 2u);
  EXPECT_EQ(again.message.header.sequence(), first.message.header.sequence());
  EXPECT_EQ(again.message.header.request(), first.message.header.request());
  EXPECT_EQ(again.message.frames.size(), first.message.frames.size());
  answer(old_primary.get(), first, proto::OK);
  EXPECT_EQ(work->unanswered, 1u);
  answer(new_primary.get(), again, proto::OK);
  EXPECT_EQ(work->unanswered, 0u);
  map.set_epoch(3);
  map.add_endpoint("inproc://one shard more");
  EXPECT_FALSE(client.TakeMap(map).ok());
}

// The shard was restored: what it had acknowledged is said, and the rest comes again behind that.
TEST(PsClientTest, WithARestoredShardItBeginsAnew) {
  MemoryNetwork network({.job = 0});
  const auto worker = network.Open(), lost = network.Open(), restored = network.Open();
  ASSERT_TRUE(lost->Bind("inproc://lost").ok());
  ASSERT_TRUE(restored->Bind("inproc://restored").ok());
  const auto receive = [](Mailbox* mailbox) {
    std::optional<Envelope> envelope = mailbox->Receive(Clock::now() + std::chrono::seconds(10));
    CHECK(envelope.has_value());
    return *std::move(envelope);
  };
  const ParameterLayout layout(Spec(), 1);
  PsClient::Options options;
  options.map.set_epoch(1);
  options.map.add_endpoint("inproc://lost");
  PsClient client(worker.get(), options, &layout);
  ASSERT_TRUE(client.Connect().ok());
  std::vector<WorkPtr> works;
  std::vector<Envelope> pushes;
  for (std::uint32_t clock = 0; clock < 4; ++clock) {
    works.push_back(MakeWork(layout));
    works.back()->clock = 10 + clock;
    works.back()->minibatch.chunk = 5;
    works.back()->minibatch.index = clock;
    client.Push(works.back(), 0);
    pushes.push_back(receive(lost.get()));
  }
  // The answer to the first one is lost with the shard.
  for (const int i : {1, 2}) {
    ASSERT_TRUE(lost->Send(pushes[i].from, MakeReply(pushes[i].message.header)).ok());
    ASSERT_TRUE(client.Handle(receive(worker.get())).ok());
  }
  proto::ShardMap map;
  map.set_epoch(3);
  map.add_endpoint("inproc://restored");
  map.add_restored(3);
  const auto restarted = client.TakeMap(map);
  ASSERT_TRUE(restarted.ok());
  ASSERT_EQ(restarted->size(), 1u);
  EXPECT_EQ(restarted->front().restored(), 3u);
  EXPECT_EQ(restarted->front().taken().incarnation(), 1u);
  EXPECT_EQ(restarted->front().taken().pushes(), 2u);
  EXPECT_EQ(restarted->front().taken().updates(), 2 * kKeys);
  ASSERT_TRUE(client.Tick().ok());

  const Envelope first = receive(restored.get());
  EXPECT_EQ(first.message.header.kind(), proto::RESTART);
  EXPECT_EQ(first.message.header.sequence(), 1u);
  EXPECT_EQ(first.message.header.map_epoch(), 3u);
  EXPECT_EQ(first.message.header.clock(), 10u);
  proto::Restart body;
  ASSERT_TRUE(ParseBody(first.message, &body).ok());
  ASSERT_EQ(body.applied_size(), 1);
  EXPECT_EQ(body.applied(0).chunk(), 5u);
  EXPECT_EQ(body.applied(0).first_minibatch(), 1u);
  EXPECT_EQ(body.applied(0).end_minibatch(), 3u);
  EXPECT_FALSE(body.retired());
  for (const std::uint32_t clock : {0, 3}) {
    const Envelope again = receive(restored.get());
    EXPECT_EQ(again.message.header.clock(), 10 + clock);
    EXPECT_EQ(again.message.header.sequence(), clock == 0 ? 2u : 3u);
    EXPECT_EQ(again.message.header.map_epoch(), 3u);
  }
  client.Retire(works.back());
  EXPECT_EQ(receive(restored.get()).message.header.sequence(), 4u);
  map.set_epoch(4);
  EXPECT_TRUE(client.TakeMap(map)->empty()) << "it has begun anew by the map before";
}

}  // namespace
}  // namespace sherd
