#pragma once

#include "tests/models/test_data.h"

namespace sherd {

// Each model, in each of the shapes that it can have: what a test of all of them goes through.
struct NamedJob {
  const char* name;
  const char* data;
  const char* text;
};

inline constexpr NamedJob kJobs[] = {
    {"Lr", kClicks, R"(model { name: "lr" })"},
    {"LrSquaredError", kClicks, R"(model { name: "lr" loss: SQUARED_ERROR })"},
    {"Fm", kClicks, R"(model { name: "fm" embedding_dim: 5 })"},
    {"WideDeep", kClicks,
     R"(model { name: "wide_deep" embedding_dim: 5 tower { hidden: 7 hidden: 4 activation: TANH } })"},
    {"WideDeepTablesOfTwoDims", R"(data { format: CRITEO_TSV }
       feature { column: "C1" } feature { column: "C2" table: "small" } feature { column: "C3" table: "small" })",
     R"(table { name: "small" dim: 2 } model { name: "wide_deep" embedding_dim: 5 tower { hidden: 7 activation: SIGMOID } })"},
    {"WideDeepOfNumbers", R"(data { format: CRITEO_TSV } feature { column: "I1..I3" number { } })",
     R"(model { name: "wide_deep" tower { hidden: 4 activation: TANH } })"},
    {"DeepFm", kClicks, R"(model { name: "deepfm" embedding_dim: 5 tower { hidden: 7 hidden: 4 } })"},
    {"DeepFmTwoTables",
     R"(data { format: CRITEO_TSV } feature { column: "C1" table: "b" } feature { column: "C2..C3" })",
     R"(model { name: "deepfm" embedding_dim: 3 tower { hidden: 17 activation: TANH } })"},
    {"DeepFmNormAndDropout", kClicks,
     R"(model { name: "deepfm" embedding_dim: 5
                tower { hidden: 17 hidden: 4 activation: TANH batch_norm: true dropout: 0.3 } })"},
    {"Nfm", kClicks, R"(model { name: "nfm" embedding_dim: 5 tower { hidden: 7 hidden: 4 activation: TANH } })"},
    {"NfmNormAndDropout", kClicks,
     R"(model { name: "nfm" embedding_dim: 17 tower { hidden: 6 activation: SIGMOID batch_norm: true dropout: 0.3 } })"},
    {"Ffm", kClicks, R"(model { name: "ffm" embedding_dim: 5 })"},
    {"FfmTwoTables", R"(data { format: CRITEO_TSV } feature { column: "C1" table: "b" } feature { column: "C2..C3" })",
     R"(model { name: "ffm" embedding_dim: 18 })"},
    {"DcnOfMatrices", kClicks,
     R"(model { name: "dcn" embedding_dim: 5 cross { layers: 2 } tower { hidden: 7 activation: TANH } })"},
    {"DcnOfVectors", kClicks,
     R"(model { name: "dcn" embedding_dim: 5 cross { layers: 3 kind: VECTOR } tower { hidden: 7 activation: TANH } })"},
    {"Din", kHistories, R"(model { name: "din" embedding_dim: 5 tower { hidden: 7 activation: TANH } })"},
    {"DinAndOtherFeatures",
     R"(data { format: CRITEO_TSV } feature { column: "C3" } feature { column: "C1" table: "item" }
        feature { column: "C2" table: "item" } feature { column: "I1" number { } }
        feature { cross { feature: "C1" feature: "C3" } })",
     R"(model { name: "din" embedding_dim: 17 tower { hidden: 7 activation: TANH dropout: 0.2 } })"},
    {"Mf", kPairs, R"(model { name: "mf" embedding_dim: 5 loss: SQUARED_ERROR })"},
    {"AutoRec", kBags, R"(model { name: "autorec" loss: SQUARED_ERROR tower { hidden: 5 activation: SIGMOID } })"},
    {"AutoRecOfTwoLayersAndDropout", kBags,
     R"(model { name: "autorec" loss: SQUARED_ERROR tower { hidden: 17 hidden: 18 activation: TANH dropout: 0.3 } })"},
    {"Gmf", kPairs, R"(model { name: "gmf" embedding_dim: 5 })"},
    {"Mlp", kPairs, R"(model { name: "mlp" tower { hidden: 8 hidden: 6 hidden: 3 } })"},
    {"NeuMf", kPairs, R"(model { name: "neumf" embedding_dim: 5 tower { hidden: 8 hidden: 6 hidden: 3 } })"},
    {"NeuMfWithoutHiddenLayers", kPairs, R"(model { name: "neumf" embedding_dim: 3 tower { hidden: 8 } })"},
    {"TwoTower", kPairs,
     R"(model { name: "two_tower" embedding_dim: 5 loss: IN_BATCH_SOFTMAX in_batch_softmax { temperature: 0.7 }
                tower { hidden: 7 hidden: 6 activation: TANH unit_length: true } })"},
    {"TwoTowerOfEmbeddings", kPairs,
     R"(model { name: "two_tower" embedding_dim: 5 loss: IN_BATCH_SOFTMAX
                in_batch_softmax { correct_frequency: false } })"},
    {"TwoTowerByPairs", kPairs, R"(model { name: "two_tower" embedding_dim: 5 loss: BPR tower { hidden: 7 } })"},
    {"TwoTowerOfTexts", kTexts,
     R"(model { name: "two_tower" embedding_dim: 5 loss: IN_BATCH_SOFTMAX convolution { window: 2 horizontal: 3 } })"},
    {"SasRec", kUserlessSequences,
     R"(model { name: "sasrec" embedding_dim: 6 loss: IN_BATCH_SOFTMAX attention { heads: 2 } })"},
    {"SasRecOfOneBlockAndDropout", kUserlessSequences,
     R"(model { name: "sasrec" embedding_dim: 17 loss: IN_BATCH_SOFTMAX attention { blocks: 1 dropout: 0.3 } })"},
    {"Gru4Rec", kUserlessSequences,
     R"(model { name: "gru4rec" embedding_dim: 5 loss: IN_BATCH_SOFTMAX tower { hidden: 17 hidden: 4 dropout: 0.2 } })"},
    {"Lstm", kUserlessSequences,
     R"(model { name: "lstm" embedding_dim: 5 loss: IN_BATCH_SOFTMAX tower { hidden: 17 hidden: 4 dropout: 0.2 } })"},
    {"Seq2Seq", kReversedSequences,
     R"(model { name: "seq2seq" embedding_dim: 5 loss: IN_BATCH_SOFTMAX tower { hidden: 17 hidden: 4 dropout: 0.2 } })"},
    {"Caser", kSequences,
     R"(model { name: "caser" embedding_dim: 5 loss: IN_BATCH_SOFTMAX
                convolution { window: 3 horizontal: 4 vertical: 2 dropout: 0.2 } })"},
    {"CaserWithoutUsers", kUserlessSequences,
     R"(model { name: "caser" embedding_dim: 17 loss: IN_BATCH_SOFTMAX convolution { window: 1 } })"},
    {"Cdae", kSequences,
     R"(model { name: "cdae" embedding_dim: 5 loss: IN_BATCH_SOFTMAX tower { activation: TANH dropout: 0.4 } })"},
    {"CdaeWithoutUsers", kUserlessSequences,
     R"(model { name: "cdae" embedding_dim: 17 loss: IN_BATCH_SOFTMAX tower { activation: SIGMOID } })"},
    {"Contrast", kWords,
     R"(model { name: "contrast" embedding_dim: 5 loss: IN_BATCH_SOFTMAX in_batch_softmax { temperature: 0.7 }
                tower { dropout: 0.4 } })"},
    {"ContrastOfUnitLength", kWords,
     R"(model { name: "contrast" embedding_dim: 17 loss: IN_BATCH_SOFTMAX tower { dropout: 0.2 unit_length: true } })"},
    {"Cnn", kImages,
     R"(model { name: "cnn" loss: CROSS_ENTROPY classes: 3 image { height: 4 width: 2 channels: 2 filters: 5 }
                tower { hidden: 7 activation: TANH } })"},
    {"CnnOfTwoLayers", kImages,
     R"(model { name: "cnn" loss: CROSS_ENTROPY image { height: 4 width: 4 filters: 3 filters: 17 } })"},
    {"Dqn", kChoices,
     R"(model { name: "dqn" loss: Q_LEARNING embedding_dim: 5 tower { hidden: 7 hidden: 4 activation: TANH } })"},
    {"DqnWithoutHiddenLayers", kChoices, R"(model { name: "dqn" loss: Q_LEARNING embedding_dim: 17 })"},
    {"Reinforce", kStatesAndChoices,
     R"(model { name: "reinforce" loss: POLICY_GRADIENT embedding_dim: 5 tower { hidden: 7 } })"},
    {"ReinforceOfWideVectors", kStatesAndChoices,
     R"(model { name: "reinforce" loss: POLICY_GRADIENT embedding_dim: 17 policy_gradient { max_weight: 0.5 } })"},
    {"BprMf", kPairs, R"(model { name: "bpr_mf" embedding_dim: 5 loss: BPR })"},
    {"BprMfOfHardestNegatives", kPairs, R"(model { name: "bpr_mf" embedding_dim: 5 loss: BPR bpr { hardest: true } })"},
    {"LightGcn", kPairs,
     R"(model { name: "lightgcn" embedding_dim: 5 loss: IN_BATCH_SOFTMAX tower { unit_length: true }
                graph_convolution { layers: 2 } in_batch_softmax { temperature: 0.7 } })"},
    {"LightGcnOfOneLayerByPairs", kPairs,
     R"(model { name: "lightgcn" embedding_dim: 17 loss: BPR graph_convolution { layers: 1 } })"},
};

}  // namespace sherd
