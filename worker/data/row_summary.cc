#include "worker/data/row_summary.h"

#include "worker/data/row_file_writer.h"
#include "worker/data/token_list.h"

namespace sherd {

RowSummary::RowSummary(const RowFilePlan* plan) : plan_(*plan) {
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
}

proto::DataStatistics RowSummary::Describe(const FeatureLayout& layout, const Schema& schema) {
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
  for (std::size_t i = 0; i < layout.features.size(); ++i) {
    const proto::Feature& config = *layout.features[i].config;
    if (!config.has_number() && !config.has_bucket()) continue;
    for (const Column& column : columns_) {
      if (!column.number || column.source != schema.feature_column[i]) continue;
      proto::FeatureStatistics* feature = described.add_feature();
      *feature->mutable_statistics() = numbers_[column.index].Statistics();
      feature->mutable_statistics()->set_name(layout.features[i].name);
      feature->set_column(layout.features[i].column);
      feature->set_quantiles(config.bucket().quantiles());
      for (const double edge : QuantileEdges(numbers_[column.index].sketch(), config.bucket().quantiles())) {
        feature->mutable_statistics()->add_quantile_edge(edge);
      }
    }
  }
  return described;
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
  return saved;
}

bool RowSummary::Restore(const proto::RowSketch& saved) {
  rows_ = saved.rows();
  label_sum_ = saved.label_sum();
  if (saved.number_size() != static_cast<int>(numbers_.size()) ||
      saved.token_size() != static_cast<int>(tokens_.size())) {
    return false;
  }
  for (int i = 0; i < saved.number_size(); ++i) {
    if (!numbers_[i].Restore(saved.number(i))) return false;
  }
  for (int i = 0; i < saved.token_size(); ++i) {
    if (!tokens_[i].Restore(saved.token(i))) return false;
  }
  return true;
}

}  // namespace sherd
