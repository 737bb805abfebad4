#include "worker/data/row_file_plan.h"

#include <algorithm>
#include <utility>

#include "worker/data/row_file_writer.h"

namespace sherd {
namespace {

using proto::RowFileColumn;

class Planner {
 public:
  Planner(const proto::Job& job, const FeatureLayout& layout, const Schema& schema, RowFilePlan::Tokens tokens)
      : job_(job), layout_(layout), schema_(schema), kept_(tokens == RowFilePlan::Tokens::kKept) {
    plan_.job = job;
  }

  Result<RowFilePlan> Make() {
    for (std::size_t i = 0; i < layout_.features.size(); ++i) {
      const FeatureLayout::FeatureColumn& feature = layout_.features[i];
      if (feature.config->has_cross()) continue;
      const int source = schema_.feature_column[i];
      if (source < 0) {
        RETURN_IF_ERROR(AddOccurrences(feature));
      } else if (feature.config->has_number() || feature.config->has_bucket()) {
        RETURN_IF_ERROR(AddNumber(source));
      } else {
        RETURN_IF_ERROR(AddTokens(feature, source));
      }
    }
    if (schema_.group >= 0) RETURN_IF_ERROR(AddGroup());
    plan_.schema.set_weighted(schema_.weight >= 0);
    proto::Data data;
    data.set_format(proto::Data::ROW_FILE);
    data.set_max_bad_fraction(job_.data().max_bad_fraction());
    if (job_.data().has_negative_rate()) data.set_negative_rate(job_.data().negative_rate());
    if (job_.data().has_in_memory_bytes()) data.set_in_memory_bytes(job_.data().in_memory_bytes());
    *plan_.job.mutable_data() = std::move(data);
    return std::move(plan_);
  }

 private:
  Status Add(RowFileColumn column, int source) {
    for (const RowFileColumn& other : plan_.schema.column()) {
      if (other.name() == column.name()) {
        return Status::Invalid("feature '" + column.name() +
                               "': another column of the row file is called so already; give it another name");
      }
    }
    *plan_.schema.add_column() = std::move(column);
    plan_.sources.push_back(source);
    return {};
  }

  Status AddNumber(int source) {
    for (int i = 0; i < plan_.schema.column_size(); ++i) {
      if (plan_.sources[i] == source && plan_.schema.column(i).kind() == RowFileColumn::NUMBER) return {};
    }
    RowFileColumn column;
    column.set_name(schema_.columns[source].name);
    column.set_kind(RowFileColumn::NUMBER);
    return Add(std::move(column), source);
  }

  // Features of the same tokens share a column of tokens; of keys each has its own, for its name is in the hash.
  Status AddTokens(const FeatureLayout::FeatureColumn& feature, int source) {
    const proto::Categorical& categorical = feature.config->categorical();
    RowFileColumn column;
    column.set_name(feature.name);
    column.set_kind(kept_ ? RowFileColumn::TOKEN : RowFileColumn::KEY);
    if (!categorical.separator().empty()) {
      column.set_list(true);
      column.set_separator(categorical.separator());
    }
    if (schema_.columns[source].valued && !column.list()) column.set_valued(true);
    if (categorical.token_is_key() && !kept_) column.set_token_is_key(true);
    for (int i = 0; kept_ && i < plan_.schema.column_size(); ++i) {
      const RowFileColumn& other = plan_.schema.column(i);
      if (plan_.sources[i] != source || other.kind() != column.kind() || other.separator() != column.separator())
        continue;
      ReadFrom(feature, other.name());
      return {};
    }
    ReadFrom(feature, feature.name);
    return Add(std::move(column), source);
  }

  // The features of libsvm rows: the column's name is given, so only a feature of this name has its keys in it.
  Status AddOccurrences(const FeatureLayout::FeatureColumn& feature) {
    if (std::count(plan_.sources.begin(), plan_.sources.end(), RowFileWriter::kOccurrences) > 0) return {};
    const bool alone = std::count(schema_.feature_column.begin(), schema_.feature_column.end(), -1) == 1;
    const bool keys = !kept_ && alone && feature.name == kFeaturesColumn;
    RowFileColumn column;
    column.set_name(std::string(kFeaturesColumn));
    column.set_kind(keys ? RowFileColumn::KEY : RowFileColumn::TOKEN);
    column.set_list(true);
    column.set_valued(true);
    if (keys && feature.config->categorical().token_is_key()) column.set_token_is_key(true);
    return Add(std::move(column), RowFileWriter::kOccurrences);
  }

  // Keys tell groups apart as well as their texts.
  Status AddGroup() {
    for (int i = 0; i < plan_.schema.column_size(); ++i) {
      if (plan_.sources[i] != schema_.group || plan_.schema.column(i).list()) continue;
      plan_.job.mutable_evaluation()->set_group_by(plan_.schema.column(i).name());
      return {};
    }
    RowFileColumn column;
    column.set_name(schema_.columns[schema_.group].name);
    column.set_kind(RowFileColumn::TOKEN);
    return Add(std::move(column), schema_.group);
  }

  // A range of features is named after its columns as it is.
  void ReadFrom(const FeatureLayout::FeatureColumn& feature, const std::string& column) {
    for (int i = 0; i < job_.feature_size(); ++i) {
      if (&job_.feature(i) != feature.config || feature.column == column) continue;
      plan_.job.mutable_feature(i)->set_name(feature.name);
      plan_.job.mutable_feature(i)->set_column(column);
    }
  }

  const proto::Job& job_;
  const FeatureLayout& layout_;
  const Schema& schema_;
  const bool kept_;
  RowFilePlan plan_;
};

}  // namespace

Result<RowFilePlan> RowFilePlan::Make(const proto::Job& job, const FeatureLayout& layout, const Schema& schema,
                                      Tokens tokens) {
  const proto::Data::Format format = job.data().format();
  if (format == proto::Data::USER_ITEM) {
    return Status::Invalid("data.format: USER_ITEM has no row files; interactions are read once, into 12 bytes each");
  }
  if (format == proto::Data::ROW_FILE) return Status::Invalid("data.format: the files are row files already");
  return Planner(job, layout, schema, tokens).Make();
}

}  // namespace sherd
