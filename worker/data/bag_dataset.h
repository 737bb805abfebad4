#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "worker/data/bad_row_log.h"
#include "worker/data/bags.h"
#include "worker/data/dataset.h"
#include "worker/data/epoch_order.h"
#include "worker/data/schema.h"

namespace sherd {

// The sets of the USER_ITEM format with data.user_item.bags: an example is a user's (or an item's) interactions of the
// set, as targets, beside those that it has in training, as history. A chunk is a range of the set's owners; to
// predict, of the rows of a file, each a target on its own. All is read when it is opened. Thread-safe.
class BagDataset : public Dataset {
 public:
  static Result<std::unique_ptr<Dataset>> Open(const proto::Job& job, const FeatureLayout& layout, Options options);

  Result<proto::Statistics> ComputeStatistics() override { return proto::Statistics(); }
  void SetStatistics(proto::Statistics) override {}
  bool Has(proto::Chunk::Set set) const override { return !interactions_.sets[set].empty(); }
  Result<std::vector<proto::Chunk>> Chunks(proto::Chunk::Set set, std::uint32_t epoch, std::uint32_t workers) override;
  Result<std::unique_ptr<ChunkReader>> Read(const proto::Chunk& chunk, std::uint32_t epoch,
                                            std::uint32_t first_minibatch) override;
  std::uint32_t max_rows() const override { return job_.train().batch_size(); }
  ReadCounts counts() const override { return log_.counts(); }
  Status CheckFirstRows(std::uint32_t rows) override { return log_.Check(job_.data().max_bad_fraction()); }
  std::string FileName(proto::Chunk::Set set, std::uint32_t file) const override;

 private:
  BagDataset(const proto::Job& job, const FeatureLayout& layout, Options options)
      : job_(job), layout_(layout), options_(options) {}

  proto::Bags::Owner of() const { return job_.data().user_item().bags().of(); }

  const proto::Job& job_;
  const FeatureLayout& layout_;
  const Options options_;
  Schema schema_;
  BadRowLog log_;
  Interactions interactions_;
  std::array<std::optional<Bags>, 3> bags_;            // by set
  std::array<std::unique_ptr<EpochOrder>, 3> owners_;  // by set
};

}  // namespace sherd
