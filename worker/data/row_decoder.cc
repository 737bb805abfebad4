#include "worker/data/row_decoder.h"

#include <utility>

#include "worker/data/criteo_decoder.h"

namespace sherd {

RowDecoder::RowDecoder(Parts parts)
    : schema_(parts.schema),
      options_(parts.options),
      parser_(std::move(parts.parser)),
      encoder_(std::move(parts.encoder)) {}

Result<std::unique_ptr<RowDecoder>> RowDecoder::Make(const proto::Job& job, const FeatureLayout& layout,
                                                     const Schema& schema, const proto::Statistics& statistics,
                                                     const std::string& path, const std::string& header,
                                                     Options options,
                                                     std::shared_ptr<const Vocabularies> vocabularies) {
  ASSIGN_OR_RETURN(FeatureEncoder encoder, FeatureEncoder::Make(layout, schema, statistics, std::move(vocabularies)));
  ASSIGN_OR_RETURN(std::unique_ptr<RowParser> parser, RowParser::Make(job, schema, options.labels, path, header));
  Parts parts{schema, std::move(parser), std::move(encoder), options};
  if (CriteoDecoder::Suits(job, parts)) {
    return std::unique_ptr<RowDecoder>(std::make_unique<CriteoDecoder>(std::move(parts)));
  }
  return std::unique_ptr<RowDecoder>(new RowDecoder(std::move(parts)));
}

void RowDecoder::Add(Minibatch* minibatch) {
  AddFeatures(minibatch);
  minibatch->labels.push_back(row_.label);
  if (schema_.weight >= 0) minibatch->weights.push_back(row_.weight);
  if (options_.groups) minibatch->groups.push_back(HashBytes(row_.values[schema_.group].text));
}

}  // namespace sherd
