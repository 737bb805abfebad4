#include "models/feature_layout.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

namespace sherd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

proto::Job ParseOrDie(const std::string& text) {
  proto::Job job;
  CHECK(google::protobuf::TextFormat::ParseFromString(text, &job)) << text;
  return job;
}

const char kCensus[] = R"(
  data { format: DELIMITED delimited { label: "income" weight: "w"
    column { name: "age" type: INTEGER } column { name: "job" } column { name: "sex" } column { name: "country" }
    column { name: "id" type: SKIP } column { name: "income" } column { name: "w" type: FLOAT } } } )";

std::string ErrorOf(const std::string& features, const std::string& data = kCensus) {
  const auto layout = FeatureLayout::Make(ParseOrDie(data + features));
  return layout.ok() ? "" : layout.status().text();
}

TEST(FeatureLayoutTest, RangesCrossesTablesAndNumbersFindTheirPlaces) {
  const proto::Job job = ParseOrDie(R"(
    data { format: CRITEO_TSV }
    feature { column: "I1..I13" number { transform: LOG } }
    feature { column: "C1..C26" }
    feature { name: "I1b" column: "I1" bucket { } }
    feature { cross { feature: "C1" feature: "C2" feature: "I1b" } }
    feature { name: "site" column: "C9" categorical { separator: "|" } table: "sites" })");
  const auto made = FeatureLayout::Make(job);
  ASSERT_TRUE(made.ok()) << made.status().text();
  const FeatureLayout& layout = *made;
  ASSERT_EQ(layout.features.size(), 13u + 26 + 3);
  EXPECT_EQ(layout.numbers.size(), 13u);
  EXPECT_EQ(layout.features[12].name, "I13");
  EXPECT_EQ(layout.features[12].table, -1);
  EXPECT_EQ(layout.features[12].field, 12);
  ASSERT_EQ(layout.tables.size(), 3u);
  EXPECT_EQ(layout.tables[0].name, "embedding");
  EXPECT_EQ(layout.tables[0].features.size(), 27u) << "26 tokens and the bucket";
  EXPECT_EQ(layout.features[13 + 25].column, "C26");
  EXPECT_EQ(layout.features[13 + 25].field, 25);
  EXPECT_EQ(layout.TableId("cross"), 1);
  EXPECT_EQ(layout.TableId("sites"), 2);
  EXPECT_EQ(layout.TableId("nothing"), -1);
  EXPECT_EQ(layout.features[40].name, "C1_x_C2_x_I1b");
  EXPECT_EQ(layout.features[40].column, "");
  EXPECT_THAT(layout.features[40].crossed, ElementsAre(13, 14, 39));
  EXPECT_EQ(layout.features[41].config, &job.feature(4));
}

TEST(FeatureLayoutTest, CrossesMayStandBeforeWhatTheyCross) {
  EXPECT_EQ(
      ErrorOf(
          R"(feature { cross { feature: "job" feature: "sex" } } feature { column: "job" } feature { column: "sex" })"),
      "");
}

struct Fault {
  const char* features;
  const char* error;
};

class FaultTest : public testing::TestWithParam<Fault> {};
INSTANTIATE_TEST_SUITE_P(
    Faults, FaultTest,
    testing::Values(
        Fault{R"(feature { column: "job" } feature { column: "job" })", "'job': the name stands twice"},
        Fault{R"(feature { column: "jbo" })", "no column 'jbo'"},
        Fault{R"(feature { column: "id" })", "no column 'id'"},
        Fault{R"(feature { column: "income" })", "no column 'income'"},
        Fault{R"(feature { name: "x" })", "'x': column is missing"},
        Fault{R"(feature { column: "job" number { } })", "'job': column 'job' holds no numbers"},
        Fault{R"(feature { column: "job" bucket { } })", "holds no numbers"},
        Fault{R"(feature { column: "age" number { } table: "t" })", "a number has no rows"},
        Fault{R"(feature { column: "job" table: "" })", "'job': table is empty"},
        Fault{R"(feature { column: "age" bucket { edge: 1 edge: 1 } })", "bucket.edge must ascend"},
        Fault{R"(feature { column: "age" bucket { quantiles: 5 edge: 1 } })", "exclude one another"},
        Fault{R"(feature { column: "job" categorical { separator: "" } })", "separator is empty"},
        Fault{R"(feature { column: "C5..C2" })", "'C5..C2': a range of columns is written like C1..C26"},
        Fault{R"(feature { column: "C1..D2" })", "a range of columns"},
        Fault{R"(feature { column: "C1..C4000000000" })", "a range of columns"},
        Fault{R"(feature { column: "C0..C4294967295" })", "a range of columns"},
        Fault{R"(feature { column: "C1..C99999999999999999999" })", "a range of columns"},
        Fault{R"(feature { column: ".." })", "a range of columns"},
        Fault{R"(feature { column: "job" } feature { cross { feature: "job" feature: "sex" } })",
              "'job_x_sex': crosses the feature 'sex', which is not in the job"},
        Fault{R"(feature { column: "job" } feature { name: "c" cross { feature: "job" } })",
              "'c': a cross combines two"},
        Fault{R"(feature { column: "job" } feature { name: "c" cross { feature: "job" feature: "job" } })",
              "with itself"},
        Fault{R"(feature { column: "age" number { } } feature { column: "sex" }
                 feature { name: "c" cross { feature: "age" feature: "sex" } })",
              "'c': crosses 'age', which is a number"},
        Fault{R"(feature { column: "job" } feature { column: "sex" } feature { cross { feature: "job" feature: "sex" } }
                 feature { name: "c" cross { feature: "job_x_sex" feature: "sex" } })",
              "'c': crosses 'job_x_sex', which is a cross itself"},
        Fault{R"(feature { column: "job" } feature { column: "sex" }
                 feature { name: "c" table: "embedding" cross { feature: "job" feature: "sex" } })",
              "'c': crosses can not share the table 'embedding'"},
        Fault{R"(feature { name: "c" column: "job" cross { feature: "job" feature: "sex" } })",
              "no column of its own"}));

TEST_P(FaultTest, NamesTheFeatureAndTheFault) {
  EXPECT_THAT(ErrorOf(GetParam().features), HasSubstr(GetParam().error));
}

TEST(FeatureLayoutTest, ARangeHasNoNameOfItsOwn) {
  EXPECT_THAT(ErrorOf(R"(feature { name: "x" column: "C1..C3" })", "data { format: CRITEO_TSV }"),
              HasSubstr("'x': C1..C3"));
  EXPECT_THAT(ErrorOf(R"(feature { column: "C26..C27" })", "data { format: CRITEO_TSV }"),
              HasSubstr("no column 'C27'"));
}

TEST(FeatureLayoutTest, ARangeUpToTheLargestNumberEnds) {
  EXPECT_THAT(ErrorOf(R"(feature { column: "a4294967290..a4294967295" })"), HasSubstr("no column 'a4294967290'"));
}

TEST(FeatureLayoutTest, EachFormatHasItsColumns) {
  const std::string libsvm = "data { format: LIBSVM } ";
  EXPECT_EQ(ErrorOf(R"(feature { column: "features" categorical { token_is_key: true } })", libsvm), "");
  EXPECT_THAT(ErrorOf(R"(feature { column: "features" number { } })", libsvm), HasSubstr("holds no numbers"));
  EXPECT_THAT(ErrorOf(R"(feature { column: "features" categorical { separator: "," } })", libsvm),
              HasSubstr("many values"));
  const std::string named = R"(data { format: LIBSVM libsvm { column: "user" column: "item" } } )";
  EXPECT_EQ(ErrorOf(R"(feature { column: "item" })", named), "");
  EXPECT_THAT(ErrorOf(R"(feature { column: "features" })", named), HasSubstr("no column 'features'"));
  const std::string pairs = "data { format: USER_ITEM } ";
  EXPECT_EQ(ErrorOf(R"(feature { column: "user" table: "user" } feature { column: "item" table: "item" })", pairs), "");
  EXPECT_THAT(ErrorOf(R"(feature { column: "rating" })", pairs), HasSubstr("no column 'rating'"));
  EXPECT_THAT(ErrorOf(R"(feature { column: "x" })", "data { format: DELIMITED } "),
              HasSubstr("data.delimited: missing"));
  EXPECT_THAT(ErrorOf(R"(feature { column: "x" })", "data { } "), HasSubstr("format"));
}

}  // namespace
}  // namespace sherd
