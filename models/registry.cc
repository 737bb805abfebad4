#include "models/registry.h"

// The table of models: its name in the job file, and its function, which stands in models/NAME.cc.
#define SHERD_MODELS(MODEL)         \
  MODEL("lr", BuildLr)              \
  MODEL("fm", BuildFm)              \
  MODEL("wide_deep", BuildWideDeep) \
  MODEL("deepfm", BuildDeepFm)      \
  MODEL("nfm", BuildNfm)            \
  MODEL("ffm", BuildFfm)            \
  MODEL("dcn", BuildDcn)            \
  MODEL("din", BuildDin)            \
  MODEL("mf", BuildMf)              \
  MODEL("autorec", BuildAutoRec)    \
  MODEL("gmf", BuildGmf)            \
  MODEL("mlp", BuildMlp)            \
  MODEL("neumf", BuildNeuMf)        \
  MODEL("bpr_mf", BuildBprMf)       \
  MODEL("two_tower", BuildTwoTower) \
  MODEL("lightgcn", BuildLightGcn)  \
  MODEL("sasrec", BuildSasRec)      \
  MODEL("gru4rec", BuildGru4Rec)    \
  MODEL("lstm", BuildLstm)          \
  MODEL("seq2seq", BuildSeq2Seq)    \
  MODEL("caser", BuildCaser)        \
  MODEL("cdae", BuildCdae)          \
  MODEL("contrast", BuildContrast)  \
  MODEL("cnn", BuildCnn)            \
  MODEL("dqn", BuildDqn)            \
  MODEL("reinforce", BuildReinforce)

namespace sherd {

#define DECLARE(name, function) \
  template <typename T>         \
  Result<nn::Activation<T>*> function(ModelBuilder<T>*);
SHERD_MODELS(DECLARE)
#undef DECLARE

template <typename T>
Result<BuildFunction<T>> FindModel(const std::string& name) {
  struct Entry {
    const char* name;
    BuildFunction<T> build;
  };
#define ENTRY(name, function) {name, function<T>},
  static constexpr Entry kModels[] = {SHERD_MODELS(ENTRY)};
#undef ENTRY
  std::string names;
  for (const Entry& entry : kModels) {
    if (name == entry.name) return entry.build;
    names += std::string(names.empty() ? "" : ", ") + entry.name;
  }
  return Status::Invalid("model.name: '" + name + "' is none of " + names);
}

template Result<BuildFunction<float>> FindModel(const std::string&);
template Result<BuildFunction<double>> FindModel(const std::string&);

}  // namespace sherd
