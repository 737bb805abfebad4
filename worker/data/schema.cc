#include "worker/data/schema.h"

#include <utility>

namespace sherd {
namespace {

class SchemaMaker {
 public:
  SchemaMaker(const proto::Job& job, const FeatureLayout& layout, const proto::RowFileSchema* row_file)
      : job_(job), layout_(layout), row_file_(row_file) {}

  Result<Schema> Make() {
    RETURN_IF_ERROR(ListColumns());
    for (const FeatureLayout::FeatureColumn& feature : layout_.features) RETURN_IF_ERROR(AddFeature(feature));
    const proto::Data& data = job_.data();
    if (NamesColumns(data.format())) {
      RETURN_IF_ERROR(Need(data.delimited().label(), "data.delimited.label", &schema_.label));
      if (data.delimited().has_weight()) {
        RETURN_IF_ERROR(Need(data.delimited().weight(), "data.delimited.weight", &schema_.weight));
        schema_.columns[schema_.weight].type = proto::Column::FLOAT;
      }
    }
    if (job_.evaluation().has_group_by()) {
      RETURN_IF_ERROR(Need(job_.evaluation().group_by(), "evaluation.group_by", &schema_.group));
      if (schema_.columns[schema_.group].occurrences) {
        return Status::Invalid("evaluation.group_by: a field of libffm is a list, and no one value");
      }
    }
    return std::move(schema_);
  }

 private:
  void Offer(std::string name, proto::Column::Type type) {
    Schema::Column column;
    column.name = std::move(name);
    column.type = type;
    offered_.push_back(std::move(column));
  }

  static bool NamesColumns(proto::Data::Format format) {
    return format == proto::Data::DELIMITED || format == proto::Data::JSON_LINES || format == proto::Data::TF_RECORD;
  }

  // What the format has to offer.
  Status ListColumns() {
    const proto::Data& data = job_.data();
    switch (data.format()) {
      case proto::Data::DELIMITED:
      case proto::Data::JSON_LINES:
      case proto::Data::TF_RECORD:
        if (data.delimited().delimiter().size() != 1)
          return Status::Invalid("data.delimited.delimiter: must be one byte");
        if (data.delimited().positive().empty() != data.delimited().negative().empty()) {
          return Status::Invalid(
              "data.delimited: positive and negative go together: the label's texts for 1 and for 0");
        }
        for (const proto::Column& column : data.delimited().column()) {
          for (const std::string& name : NamesOf(column)) Offer(name, column.type());
        }
        break;
      case proto::Data::CRITEO_TSV:
        for (int i = 1; i <= 13; ++i) Offer("I" + std::to_string(i), proto::Column::INTEGER);
        for (int i = 1; i <= 26; ++i) Offer("C" + std::to_string(i), proto::Column::TOKEN);
        break;
      case proto::Data::LIBSVM:
        schema_.occurrences = data.libsvm().column().empty();
        for (const std::string& name : data.libsvm().column()) {
          Offer(name, proto::Column::TOKEN);
          offered_.back().valued = true;
        }
        if (schema_.occurrences) Offer(std::string(kFeaturesColumn), proto::Column::TOKEN);
        break;
      case proto::Data::LIBFFM:
        for (std::uint32_t i = 0; i < data.libffm().fields(); ++i) {
          Offer("F" + std::to_string(i), proto::Column::TOKEN);
          offered_.back().occurrences = true;
        }
        break;
      case proto::Data::USER_ITEM:
        Offer("user", proto::Column::TOKEN);
        Offer("item", proto::Column::TOKEN);
        if (data.user_item().has_sequences()) Offer("history", proto::Column::TOKEN);
        if (!data.user_item().has_bags()) break;
        Offer("history", proto::Column::TOKEN);
        Offer("targets", proto::Column::TOKEN);
        break;
      case proto::Data::ROW_FILE:
        for (const proto::RowFileColumn& column : CHECK_NOTNULL(row_file_)->column()) {
          const bool number = column.kind() == proto::RowFileColumn::NUMBER;
          Offer(column.name(), number ? proto::Column::FLOAT : proto::Column::TOKEN);
          offered_.back().valued = column.valued();
          schema_.occurrences |= column.list() && !column.has_separator();
        }
        break;
    }
    return {};
  }

  Status Need(const std::string& name, const std::string& who, int* index) {
    for (std::size_t i = 0; i < schema_.columns.size(); ++i) {
      if (schema_.columns[i].name != name) continue;
      *index = static_cast<int>(i);
      return {};
    }
    for (const Schema::Column& column : offered_) {
      if (column.name != name) continue;
      if (column.type == proto::Column::SKIP) {
        return Status::Invalid(who + ": column \"" + name + "\" is of type SKIP");
      }
      *index = static_cast<int>(schema_.columns.size());
      schema_.columns.push_back(column);
      return {};
    }
    return Status::Invalid(who + ": there is no column \"" + name + "\"");
  }

  Status AddFeature(const FeatureLayout::FeatureColumn& feature) {
    schema_.feature_column.push_back(-1);
    const std::string who = "feature " + feature.name;
    const proto::Feature& config = *feature.config;
    if (config.has_cross()) return CheckCross(feature);
    if (schema_.occurrences && feature.column == kFeaturesColumn) {
      if (config.has_number() || config.has_bucket())
        return Status::Invalid(who + ": column \"features\" can only be categorical");
      schema_.occurrence_keys |= config.categorical().token_is_key();
      return {};
    }
    int& index = schema_.feature_column.back();
    RETURN_IF_ERROR(Need(feature.column, who, &index));
    Schema::Column& column = schema_.columns[index];
    const bool categorical = !config.has_number() && !config.has_bucket();
    if (!categorical && column.type == proto::Column::TOKEN) {
      return Status::Invalid(who + ": column \"" + column.name +
                             "\" is of type TOKEN; a number or bucket needs INTEGER or FLOAT");
    }
    if (column.occurrences && !config.categorical().separator().empty()) {
      return Status::Invalid(who + ": a field is a list already, and has no separator");
    }
    if (categorical && !config.categorical().separator().empty()) {
      column.lists.push_back(config.categorical().separator());
    }
    if (categorical && config.categorical().token_is_key()) {
      column.key = true;
      column.separator = config.categorical().separator();
    }
    return {};
  }

  Status CheckCross(const FeatureLayout::FeatureColumn& feature) {
    for (const int i : feature.crossed) {
      const FeatureLayout::FeatureColumn& part = layout_.features[i];
      const bool single = part.config->categorical().separator().empty();
      const bool keyed = !part.config->has_number() && !part.config->has_cross();
      const bool listed =
          (schema_.occurrences && part.column == kFeaturesColumn) || job_.data().format() == proto::Data::LIBFFM;
      if (!single || !keyed || listed) {
        return Status::Invalid("feature " + feature.name +
                               ": crosses combine categorical and bucket features of one value a row, "
                               "which \"" +
                               part.name + "\" is not");
      }
    }
    return {};
  }

  const proto::Job& job_;
  const FeatureLayout& layout_;
  const proto::RowFileSchema* const row_file_;
  std::vector<Schema::Column> offered_;
  Schema schema_;
};

}  // namespace

Result<Schema> Schema::Make(const proto::Job& job, const FeatureLayout& layout, const proto::RowFileSchema* row_file) {
  return SchemaMaker(job, layout, row_file).Make();
}

}  // namespace sherd
