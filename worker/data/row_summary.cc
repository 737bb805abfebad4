#include "worker/data/row_summary.h"

#include <algorithm>

#include "worker/data/row_file_writer.h"
#include "worker/data/token_list.h"

namespace sherd {

RowSummary::RowSummary(const RowFilePlan* plan, const FeatureLayout* layout, const Schema* schema)
    : plan_(*plan), layout_(*layout), schema_(*schema) {
  for (std::size_t i = 0; i < layout_.features.size(); ++i) {
    if (!layout_.features[i].config->categorical().has_vocabulary()) continue;
    vocabularies_.emplace_back(layout_.features[i], schema_, schema_.feature_column[i]);
  }
  for (int i = 0; i < plan_.schema.column_size(); ++i) {
    const proto::RowFileColumn& column = plan_.schema.column(i);
    const bool number = column.kind() == proto::RowFileColumn::NUMBER;
    columns_.push_back({plan_.sources[i], number, column.separator(), number ? numbers_.size() : tokens_.size()});
    if (number) {
      numbers_.emplace_back();
    } else {
      tokens_.emplace_back();
    }
  }
}

void RowSummary::Add(const Row& row) {
  ++rows_;
  label_sum_ += row.label;
  for (TokenCounter& vocabulary : vocabularies_) vocabulary.Add(row);
  for (const Column& column : columns_) {
    if (column.source == RowFileWriter::kOccurrences) {
      for (const Occurrence& one : row.occurrences) tokens_[column.index].Add(one.token);
      if (row.occurrences.empty()) tokens_[column.index].AddMissing();
      continue;
    }
    const Value& value = row.values[column.source];
    if (column.number) {
      NumberSummary& summary = numbers_[column.index];
      value.text.empty() ? summary.AddMissing() : summary.Add(value.number);
    } else if (value.text.empty()) {
      tokens_[column.index].AddMissing();
    } else if (column.separator.empty()) {
      tokens_[column.index].Add(value.text);
    } else {
      ForEachToken(value.text, column.separator, [&](std::string_view token) {
        if (!token.empty()) tokens_[column.index].Add(token);
      });
    }
  }
}

void RowSummary::Merge(RowSummary* other) {
  rows_ += other->rows_;
  label_sum_ += other->label_sum_;
  for (std::size_t i = 0; i < numbers_.size(); ++i) numbers_[i].Merge(&other->numbers_[i]);
  for (std::size_t i = 0; i < tokens_.size(); ++i) tokens_[i].Merge(other->tokens_[i]);
  for (std::size_t i = 0; i < vocabularies_.size(); ++i) vocabularies_[i].Merge(other->vocabularies_[i]);
}

Result<proto::DataStatistics> RowSummary::Describe() {
  proto::DataStatistics described;
  described.set_version(1);
  described.set_rows(rows_);
  described.set_label_mean(rows_ == 0 ? 0 : label_sum_ / static_cast<double>(rows_));
  for (NumberSummary& number : numbers_) number.Flush();
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    proto::DataColumn* column = described.add_column();
    column->set_name(plan_.schema.column(static_cast<int>(i)).name());
    if (columns_[i].number) {
      numbers_[columns_[i].index].Describe(column);
    } else {
      tokens_[columns_[i].index].Describe(column);
    }
  }
  DescribeNumbers(&described);
  RETURN_IF_ERROR(DescribeVocabularies(&described));
  return described;
}

void RowSummary::DescribeNumbers(proto::DataStatistics* described) {
  for (std::size_t i = 0; i < layout_.features.size(); ++i) {
    const proto::Feature& config = *layout_.features[i].config;
    if (!config.has_number() && !config.has_bucket()) continue;
    for (const Column& column : columns_) {
      if (!column.number || column.source != schema_.feature_column[i]) continue;
      proto::FeatureStatistics* feature = described->add_feature();
      *feature->mutable_statistics() = numbers_[column.index].Statistics();
      feature->mutable_statistics()->set_name(layout_.features[i].name);
      feature->set_column(layout_.features[i].column);
      feature->set_quantiles(config.bucket().quantiles());
      for (const double edge : QuantileEdges(numbers_[column.index].sketch(), config.bucket().quantiles())) {
        feature->mutable_statistics()->add_quantile_edge(edge);
      }
    }
  }
}

// Row files call a column of tokens as the feature that is made from it.
Status RowSummary::DescribeVocabularies(proto::DataStatistics* described) const {
  if (vocabularies_.empty()) return {};
  const auto converted = FeatureLayout::Make(plan_.job);
  CHECK(converted.ok()) << converted.status().text();
  const auto column_of = [&](const std::string& feature) {
    return std::ranges::find(converted->features, feature, &FeatureLayout::FeatureColumn::name)->column;
  };
  for (const TokenCounter& vocabulary : vocabularies_) {
    const FeatureLayout::FeatureColumn& feature = vocabulary.feature();
    const proto::Vocabulary& config = feature.config->categorical().vocabulary();
    proto::FeatureStatistics* const known = described->add_feature();
    known->mutable_statistics()->set_name(feature.name);
    known->set_column(column_of(feature.name));
    known->set_quantiles(0);
    known->set_min_count(config.min_count());
    known->set_max_tokens(config.max_tokens());
    RETURN_IF_ERROR(vocabulary.Finish(known->mutable_statistics()));
  }
  return {};
}

proto::RowSketch RowSummary::Save() {
  proto::RowSketch saved;
  saved.set_rows(rows_);
  saved.set_label_sum(label_sum_);
  for (NumberSummary& number : numbers_) {
    number.Flush();
    number.Save(saved.add_number());
  }
  for (const TokenSummary& token : tokens_) token.Save(saved.add_token());
  for (const TokenCounter& vocabulary : vocabularies_) *saved.add_vocabulary() = vocabulary.Save();
  return saved;
}

bool RowSummary::Restore(const proto::RowSketch& saved) {
  rows_ = saved.rows();
  label_sum_ = saved.label_sum();
  if (saved.number_size() != static_cast<int>(numbers_.size()) ||
      saved.token_size() != static_cast<int>(tokens_.size()) ||
      saved.vocabulary_size() != static_cast<int>(vocabularies_.size())) {
    return false;
  }
  for (int i = 0; i < saved.number_size(); ++i) {
    if (!numbers_[i].Restore(saved.number(i))) return false;
  }
  for (int i = 0; i < saved.token_size(); ++i) {
    if (!tokens_[i].Restore(saved.token(i))) return false;
  }
  for (int i = 0; i < saved.vocabulary_size(); ++i) vocabularies_[i].Merge(saved.vocabulary(i));
  return true;
}

}  // namespace sherd
