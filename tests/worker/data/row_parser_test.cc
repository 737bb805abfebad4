#include "worker/data/row_parser.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/worker/data/data_testing.h"

namespace sherd {
namespace {

// A parser with all that it refers to.
class Parsed {
 public:
  explicit Parsed(const std::string& job, const std::string& header = "",
                  RowParser::Labels labels = RowParser::Labels::kNeeded)
      : job_(ParseTestJob(job)),
        layout_(FeatureLayout::Make(job_).value()),
        schema_(Schema::Make(job_, layout_).value()) {
    auto parser = RowParser::Make(job_, schema_, labels, "file", header);
    CHECK(parser.ok()) << parser.status().text();
    parser_ = std::move(parser).value();
  }

  // Label, then each column of the schema, "-" where missing; or the error.
  std::vector<std::string> operator()(const std::string& line) {
    if (!parser_->Parse(line, &row_, &error_)) return {"bad: " + error_.expected, error_.got, error_.column};
    std::vector<std::string> fields = {std::to_string(static_cast<int>(row_.label))};
    for (const Value& value : row_.values) fields.push_back(value.text.empty() ? "-" : std::string(value.text));
    for (const Occurrence& one : row_.occurrences) {
      fields.push_back(std::string(one.token) + "*" + std::to_string(one.value).substr(0, 4));
    }
    return fields;
  }
  const Row& row() const { return row_; }

 private:
  const proto::Job job_;
  const FeatureLayout layout_;
  const Schema schema_;
  std::unique_ptr<RowParser> parser_;
  Row row_;
  RowError error_;
};

using Fields = std::vector<std::string>;

std::string Delimited(const std::string& settings) {
  return R"(data { format: DELIMITED delimited { label: "y" column { name: "a" } column { name: "n" type: INTEGER }
            column { name: "skipped" type: SKIP } column { name: "y" } )" +
         settings + R"( } }
            feature { column: "a" } feature { column: "n" number { transform: NONE } })";
}

TEST(DelimitedTest, FieldsQuotesAndMissingMarks) {
  Parsed parse(Delimited(R"(missing: "?" missing: "NA")"));
  EXPECT_EQ(parse("x,5,s,1"), (Fields{"1", "x", "5", "1"}));
  EXPECT_EQ(parse("?,NA,,0"), (Fields{"0", "-", "-", "0"}));
  EXPECT_EQ(parse(",,,1"), (Fields{"1", "-", "-", "1"}));
  EXPECT_EQ(parse(R"("x, ""y""",-7,"",-1)"), (Fields{"0", R"(x, "y")", "-7", "-1"}));
  EXPECT_EQ(parse(R"("""","+7",",,",1)"), (Fields{"1", "\"", "+7", "1"}));
  EXPECT_EQ(parse(R"(a"b,7,s,1)"), (Fields{"1", "a\"b", "7", "1"}));
  EXPECT_EQ(parse(" x ,7,s,1"), (Fields{"1", " x ", "7", "1"}));
  EXPECT_EQ(parse(std::string("x\0y,7,s,1", 9)), (Fields{"1", std::string("x\0y", 3), "7", "1"}));
}

// Lines without quotes are taken apart another way.
TEST(DelimitedTest, LinesWithoutQuotesGiveTheFieldsOfQuotedOnes) {
  TestRandom random(1);
  for (const bool trims : {false, true}) {
    Parsed parse(Delimited(trims ? "trim: true missing: 'bb'" : "missing: 'bb'"));
    for (int round = 0; round < 2000; ++round) {
      std::string plain, quoted;
      const std::uint32_t fields = random.Next(4) ? 4 : 2 + random.Next(150);
      for (std::uint32_t i = 0; i < fields; ++i) {
        std::string field(random.Next(random.Next(8) ? 3 : 90), 'b');
        if (i % 2 == 1) field = std::to_string(random.Next(2));
        const std::string blanks(trims ? random.Next(3) : 0, ' ');
        plain += (i == 0 ? "" : ",") + blanks + field + blanks;
        quoted += (i == 0 ? "\"" : ",\"") + field + '"';
      }
      ASSERT_EQ(parse(plain), parse(quoted)) << plain;
    }
  }
}

TEST(DelimitedTest, BadRowsSayWhatWasExpectedAndWhere) {
  Parsed parse(Delimited(""));
  EXPECT_EQ(parse("x,abc,s,1"), (Fields{"bad: integer expected", "abc", "n"}));
  EXPECT_EQ(parse("x,1.5,s,1"), (Fields{"bad: integer expected", "1.5", "n"}));
  EXPECT_EQ(parse("x,- 5,s,1"), (Fields{"bad: integer expected", "- 5", "n"}));
  EXPECT_EQ(parse("x,99999999999999999999,s,1"), (Fields{"bad: integer expected", "99999999999999999999", "n"}));
  EXPECT_EQ(parse("x,9223372036854775807,s,1")[0], "1");
  EXPECT_EQ(parse("x,5,s"), (Fields{"bad: 4 columns expected", "3", ""}));
  EXPECT_EQ(parse("x,5,s,1,"), (Fields{"bad: 4 columns expected", "5", ""}));
  EXPECT_EQ(parse("x,5,s,2"), (Fields{"bad: label 0 or 1 expected", "2", "y"}));
  EXPECT_EQ(parse("x,5,s,yes"), (Fields{"bad: number expected as label", "yes", "y"}));
  EXPECT_EQ(parse("x,5,s,"), (Fields{"bad: number expected as label", "", "y"}));
  EXPECT_EQ(parse("x,5,s,nan")[0], "bad: number expected as label");
  EXPECT_EQ(parse(R"("x,5,s,1)"), (Fields{"bad: closing quote expected", "\"x,5,s,1", ""}));
  EXPECT_EQ(parse(R"("x"y,5,s,1)"), (Fields{"bad: delimiter expected after closing quote", "y,5,s,1", ""}));
  EXPECT_EQ(parse(""), (Fields{"bad: line of at most 1 MiB expected", "", ""}));
  EXPECT_EQ(parse(std::string("x,\x01\xff,s,1", 8)), (Fields{"bad: integer expected", "??", "n"}));
}

// What each numbered column is comes from one entry, and a row of another length is no image.
TEST(DelimitedTest, ClassesAndARangeOfColumns) {
  Parsed parse(R"(data { format: DELIMITED delimited {
                  label: "digit" column { name: "digit" } column { name: "p0..p2" type: FLOAT } column { name: "a..b" } } }
                  feature { column: "p0..p2" number { transform: NONE } }
                  model { name: "cnn" loss: CROSS_ENTROPY classes: 10 })");
  EXPECT_EQ(parse("9,1,2,3,x")[0], "9");
  EXPECT_EQ(parse("0,1,2,3,x")[0], "0");
  EXPECT_EQ(parse("10,1,2,3,x"), (Fields{"bad: class from 0 to 9 expected as label", "10", "digit"}));
  EXPECT_EQ(parse("-1,1,2,3,x"), (Fields{"bad: class from 0 to 9 expected as label", "-1", "digit"}));
  EXPECT_EQ(parse("1.5,1,2,3,x"), (Fields{"bad: class from 0 to 9 expected as label", "1.5", "digit"}));
  EXPECT_EQ(parse("1,1,2,x"), (Fields{"bad: 5 columns expected", "4", ""}));
  EXPECT_EQ(parse("1,1,z,3,x"), (Fields{"bad: number expected", "z", "p1"}));
}

TEST(DelimitedTest, LabelsOutsideTheirRangeAreBadRows) {
  Parsed parse(R"(data { format: DELIMITED label_range { min: 0.5 max: 5 } delimited {
                  label: "rating" column { name: "a" } column { name: "rating" } } }
                  feature { column: "a" } model { loss: SQUARED_ERROR })");
  EXPECT_EQ(parse("x,5"), (Fields{"5", "x", "5"}));
  EXPECT_EQ(parse("x,0.5")[1], "x");
  EXPECT_EQ(parse("x,1")[0], "1");
  EXPECT_EQ(parse("x,0.4999999"), (Fields{"bad: label within data.label_range expected", "0.4999999", "rating"}));
  EXPECT_EQ(parse("x,50"), (Fields{"bad: label within data.label_range expected", "50", "rating"}));
  EXPECT_EQ(parse("x,0"), (Fields{"bad: label within data.label_range expected", "0", "rating"}));
  EXPECT_EQ(parse("x,-inf")[0], "bad: number expected as label");
}

TEST(DelimitedTest, TrimAndLabelTexts) {
  Parsed parse(Delimited(R"(trim: true positive: ">50K" positive: ">50K." negative: "<=50K" missing: "?")"));
  EXPECT_EQ(parse(" x , 5\t, s , >50K."), (Fields{"1", "x", "5", ">50K."}));
  EXPECT_EQ(parse("?, ? ,s,<=50K"), (Fields{"0", "-", "-", "<=50K"}));
  EXPECT_EQ(parse(R"( " x " ,5,s,<=50K)"), (Fields{"0", " x ", "5", "<=50K"}));
  EXPECT_EQ(parse("x,5,s,50K"), (Fields{R"(bad: label ">50K" or "<=50K" expected)", "50K", "y"}));
  EXPECT_EQ(parse("x,5,s,1")[0], R"(bad: label ">50K" or "<=50K" expected)");
}

TEST(DelimitedTest, ADelimiterThatIsABlankIsNotTrimmed) {
  Parsed tabs(Delimited(R"(trim: true delimiter: "\t")"));
  EXPECT_EQ(tabs("\t5\t \t\"1\""), (Fields{"1", "-", "5", "1"}));
  EXPECT_EQ(tabs("a\t\t\t \"1\" "), (Fields{"1", "a", "-", "1"}));
  EXPECT_EQ(tabs("\"a\"\t\t \"s\"\t1"), (Fields{"1", "a", "-", "1"}));
  Parsed blanks(Delimited(R"(trim: true delimiter: " ")"));
  EXPECT_EQ(blanks("a  \t\"s\" \"1\""), (Fields{"1", "a", "-", "1"}));
}

TEST(DelimitedTest, AHeaderOrdersTheColumns) {
  Parsed parse(Delimited("header: true"), "y,other,n,a");
  EXPECT_EQ(parse("1,o,5,x"), (Fields{"1", "x", "5", "1"}));
  const proto::Job job = ParseTestJob(Delimited("header: true"));
  const FeatureLayout layout = FeatureLayout::Make(job).value();
  const Schema schema = Schema::Make(job, layout).value();
  const auto parser = RowParser::Make(job, schema, RowParser::Labels::kNeeded, "f.csv", "y,a,skipped");
  ASSERT_FALSE(parser.ok());
  EXPECT_EQ(parser.status().text(), "f.csv: the header has no column \"n\"");
}

TEST(DelimitedTest, PredictingTheLabelMayBeMissingOrAnything) {
  Parsed parse(Delimited(""), "", RowParser::Labels::kIgnored);
  EXPECT_EQ(parse("x,5,s,what"), (Fields{"0", "x", "5", "what"}));
  EXPECT_EQ(parse("x,5,s"), (Fields{"0", "x", "5", "-"}));
  EXPECT_EQ(parse("x,5")[0], "bad: 4 columns expected");
  Parsed headed(Delimited("header: true"), "n,a", RowParser::Labels::kIgnored);
  EXPECT_EQ(headed("5,x"), (Fields{"0", "x", "5", "-"}));
}

TEST(DelimitedTest, WeightsAreNumbersFromZeroOn) {
  Parsed parse(R"(data { format: DELIMITED delimited { delimiter: "\t" label: "y" weight: "w" column { name: "y" }
                  column { name: "w" } } } feature { column: "w" })");
  EXPECT_EQ(parse("1\t2.5")[0], "1");
  EXPECT_EQ(parse.row().weight, 2.5f);
  EXPECT_EQ(parse("1\t0")[0], "1");
  EXPECT_EQ(parse("1\t-1"), (Fields{"bad: weight of 0 or more expected", "-1", "w"}));
  EXPECT_EQ(parse("1\t"), (Fields{"bad: weight of 0 or more expected", "", "w"}));
  EXPECT_EQ(parse("1\tinf"), (Fields{"bad: number expected", "inf", "w"}));
}

// As one would write it without caring for speed.
Fields SplitSlowly(const std::string& line, char delimiter) {
  Fields fields(1);
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (fields.back().empty() && line[i] == '"' && (i == 0 || line[i - 1] == delimiter)) {
      for (++i; i < line.size() && (line[i] != '"' || line[i + 1] == '"'); ++i) {
        if (line[i] == '"') ++i;
        fields.back() += line[i];
      }
    } else if (line[i] == delimiter) {
      fields.emplace_back();
    } else {
      fields.back() += line[i];
    }
  }
  return fields;
}

TEST(DelimitedTest, AgreesWithASlowParserOnRandomRows) {
  Parsed parse(Delimited(""));
  TestRandom random(1);
  for (int i = 0; i < 5000; ++i) {
    std::string line;
    for (int field = 0; field < 3; ++field) {
      if (field == 1) {
        line += std::to_string(static_cast<int>(random.Next(20000)) - 10000) + ",";
        continue;
      }
      std::string text, quoted;
      for (std::uint32_t n = random.Next(8); n > 0; --n) text += "ab \t,\";'"[random.Next(8)];
      for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
      const bool plain = text.find_first_of(",\"") == std::string::npos;
      line += (plain && random.Next(2) ? text : '"' + quoted + '"') + ",";
    }
    line += "1";
    const Fields slow = SplitSlowly(line, ',');
    ASSERT_EQ(slow.size(), 4u) << line;
    EXPECT_EQ(parse(line), (Fields{"1", slow[0].empty() ? "-" : slow[0], slow[1], "1"})) << line;
  }
}

std::string Criteo() {
  return R"(data { format: CRITEO_TSV } feature { column: "C1..C26" } feature { column: "I1..I13" bucket {} })";
}

TEST(CriteoTest, AgreesWithASlowParserOnRandomRows) {
  Parsed parse(Criteo());
  TestRandom random(2);
  for (int i = 0; i < 3000; ++i) {
    Fields fields = {std::to_string(random.Next(2))};
    for (int j = 0; j < 13; ++j) {
      fields.push_back(random.Next(3) ? std::to_string(static_cast<int>(random.Next(1 << random.Next(30))) - 3) : "");
    }
    for (int j = 0; j < 26; ++j) fields.push_back(std::string(random.Next(3) ? random.Next(12) : 0, 'a' + j));
    std::string line;
    for (const std::string& field : fields) line += (&field == &fields[0] ? "" : "\t") + field;
    Fields expected = {fields[0]};
    for (int j = 14; j < 40; ++j) expected.push_back(fields[j].empty() ? "-" : fields[j]);
    for (int j = 1; j < 14; ++j) expected.push_back(fields[j].empty() ? "-" : fields[j]);
    ASSERT_EQ(parse(line), expected) << line;
    for (int j = 0; j < 13; ++j) {
      if (!fields[1 + j].empty()) {
        ASSERT_EQ(parse.row().values[26 + j].number, std::stod(fields[1 + j]));
      }
    }
  }
}

TEST(CriteoTest, WrongCountsAndNumbersAreRefused) {
  Parsed parse(Criteo());
  for (const int tabs : {0, 1, 38, 40, 41, 64, 65, 200, 5000}) {
    EXPECT_EQ(parse("1" + std::string(tabs, '\t')),
              (Fields{"bad: 40 columns separated by TAB expected", std::to_string(tabs + 1), ""}));
  }
  EXPECT_EQ(parse("1" + std::string(39, '\t'))[0], "1");
  EXPECT_EQ(parse("1\tx" + std::string(38, '\t')), (Fields{"bad: integer expected", "x", "I1"}));
  EXPECT_EQ(parse("3" + std::string(39, '\t'))[0], "bad: label 0 or 1 expected");
  Parsed unlabelled(Criteo(), "", RowParser::Labels::kIgnored);
  EXPECT_EQ(unlabelled("7" + std::string(38, '\t'))[27], "7");
  EXPECT_EQ(unlabelled("\t7" + std::string(38, '\t'))[27], "7");
}

TEST(LibsvmTest, ListsColumnsAndFaults) {
  Parsed list(R"(data { format: LIBSVM } feature { column: "features" })");
  EXPECT_EQ(list("1 a:1 b:0.5"), (Fields{"1", "a*1.00", "b*0.50"}));
  EXPECT_EQ(list("-1\t12:-2  7:1e0 "), (Fields{"0", "12*-2.0", "7*1.00"}));
  EXPECT_EQ(list("+1"), (Fields{"1"}));
  EXPECT_EQ(list("1 a"), (Fields{"bad: index:value expected", "a", "features"}));
  EXPECT_EQ(list("1 a:"), (Fields{"bad: index:value expected", "a:", "features"}));
  EXPECT_EQ(list("1 :1"), (Fields{"bad: index:value expected", ":1", "features"}));
  EXPECT_EQ(list("1 a:1e39")[0], "bad: index:value expected");
  EXPECT_EQ(list("a:1 b:1")[0], "bad: number expected as label");
  Parsed keyed(R"(data { format: LIBSVM } feature { column: "features" categorical { token_is_key: true } })");
  EXPECT_EQ(keyed("1 18446744073709551615:1")[0], "1");
  EXPECT_EQ(keyed("1 -5:1"), (Fields{"bad: unsigned integer expected as key", "-5", "features"}));
  Parsed columns(R"(data { format: LIBSVM libsvm { column: "p" column: "q" } } feature { column: "q" })");
  EXPECT_EQ(columns("1 3:1 4:1"), (Fields{"1", "4"}));
  EXPECT_EQ(columns("1 3:1"), (Fields{"bad: 2 features expected", "1", ""}));
  EXPECT_EQ(columns("1 3:1 4:1 5:1"), (Fields{"bad: 2 features expected", "3", ""}));
  Parsed unlabelled(R"(data { format: LIBSVM } feature { column: "features" })", "", RowParser::Labels::kIgnored);
  EXPECT_EQ(unlabelled("a:1 b:1"), (Fields{"0", "a*1.00", "b*1.00"}));
}

TEST(LibffmTest, ListsOfFieldsAndFaults) {
  Parsed parse(R"(data { format: LIBFFM libffm { fields: 3 } } feature { column: "F2" } feature { column: "F0" })");
  // Columns in the order of the features: F2, F0.
  EXPECT_EQ(parse("1 0:a:1 2:b:0.5"), (Fields{"1", "-", "-", "b*0.50", "a*1.00"}));
  EXPECT_EQ(parse("0\t0:a:1 1:x:1 2:b:2 0:c:3 2:d:4 "),
            (Fields{"0", "-", "-", "b*2.00", "d*4.00", "a*1.00", "c*3.00"}));
  EXPECT_EQ(parse("-1"), (Fields{"0", "-", "-"}));
  EXPECT_EQ(parse("1 3:a:1"), (Fields{"bad: field below 3 expected", "3:a:1", "features"}));
  for (const std::string word : {"0:a", "0::1", "a:a:1", ":a:1", "0:a:", "0:a:x", "0:a:1:1", "a", "-1:a:1"}) {
    EXPECT_EQ(parse("1 " + word), (Fields{"bad: field:index:value expected", word, "features"}));
  }
  Parsed keyed(R"(data { format: LIBFFM libffm { fields: 1 } }
                  feature { column: "F0" categorical { token_is_key: true } })");
  EXPECT_EQ(keyed("1 0:7:1"), (Fields{"1", "-", "7*1.00"}));
  EXPECT_EQ(keyed("1 0:-7:1"), (Fields{"bad: unsigned integer expected as key", "-7", "F0"}));
  Parsed unlabelled(R"(data { format: LIBFFM libffm { fields: 1 } } feature { column: "F0" })", "",
                    RowParser::Labels::kIgnored);
  EXPECT_EQ(unlabelled("0:a:1"), (Fields{"0", "-", "a*1.00"}));
}

std::string Named(const std::string& format) {
  return "data { format: " + format + R"( delimited { label: "y" missing: "NA" column { name: "a" }
      column { name: "n" type: INTEGER } column { name: "l" } column { name: "f" type: FLOAT } column { name: "y" } } }
      feature { column: "a" } feature { column: "n" bucket {} } feature { column: "l" categorical { separator: "," } }
      feature { column: "f" number { transform: NONE } })";
}

TEST(JsonLinesTest, MembersAreColumns) {
  Parsed parse(Named("JSON_LINES"));
  EXPECT_EQ(parse(R"({"a":"x","n":5,"l":"p","f":0.5,"y":1})"), (Fields{"1", "x", "5", "p", "0.5", "1"}));
  EXPECT_EQ(parse(R"( { "y" : 0 , "other" : {"a":[1,{}]} , "f" : -1e3 ,"l":["p",7,"q"], "a" : 12 } )"),
            (Fields{"0", "12", "-", "p,7,q", "-1e3", "0"}));
  EXPECT_EQ(parse(R"({"y":true,"a":null,"n":"7","l":[]})"), (Fields{"1", "-", "7", "-", "-", "1"}));
  EXPECT_EQ(parse(R"({"y":false,"a":"NA","n":"NA","l":[null,"p"]})"), (Fields{"0", "-", "-", "p", "-", "0"}));
  EXPECT_EQ(parse(R"({"y":1,"\u0061":"\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00"})"),
            (Fields{"1", "\"\\/\b\f\n\r\tA\u00e9\u20ac\U0001f600", "-", "-", "-", "1"}));
  EXPECT_EQ(parse(R"({"y":1,"a":"a\u0000b"})")[1], std::string("a\0b", 3));
}

TEST(JsonLinesTest, FaultsAreBadRows) {
  Parsed parse(Named("JSON_LINES"));
  EXPECT_EQ(parse(R"({"a":"x","a":"z","y":1})"), (Fields{"bad: each name once expected", "a", "a"}));
  EXPECT_EQ(parse(R"({"y":1,"a":{"b":1}})"), (Fields{"bad: text or number expected", "object or list", "a"}));
  EXPECT_EQ(parse(R"({"y":1,"a":["p","q"]})"), (Fields{"bad: one value expected", "several", "a"}));
  EXPECT_EQ(parse(R"({"y":1,"l":[["p"]]})"), (Fields{"bad: text or number expected", "object or list", "l"}));
  EXPECT_EQ(parse(R"({"y":1,"n":1.5})"), (Fields{"bad: integer expected", "1.5", "n"}));
  EXPECT_EQ(parse(R"({"y":1,"n":"x"})"), (Fields{"bad: integer expected", "x", "n"}));
  EXPECT_EQ(parse(R"({"y":2})"), (Fields{"bad: label 0 or 1 expected", "2", "y"}));
  EXPECT_EQ(parse(R"({"a":"x"})"), (Fields{"bad: number expected as label", "", "y"}));
  EXPECT_EQ(parse("[1]")[0], "bad: JSON object expected");
  EXPECT_EQ(parse("1,x")[0].substr(0, 9), "bad: JSON");
  for (const std::string text :
       {R"({"y":1,"a":"x)", R"({"y":1,"a":x})", R"({"y":1,"a":01})", R"({"y":1,"a":"\x"})", R"({"y":1,"a":"\ud83d"})",
        R"({"y":1} {"y":1})", R"({"y":1}})", R"({"y" 1})", R"({"y":1,)", R"({"y":1,"a":"\xff"})",
        R"({"y":1,"a":1e999})", R"({"y":1,"a":tru})", R"({"y":1,"a":nul})", R"({'y':1})"}) {
    std::string line = text;
    if (const auto at = line.find("\\xff"); at != std::string::npos) line.replace(at, 4, "\xff");
    EXPECT_EQ(parse(line)[0].substr(0, 5), "bad: ") << line;
  }
  EXPECT_EQ(parse(std::string("{\"y\":1,\"a\":\"\0\"}", 15))[0].substr(0, 5), "bad: ");
}

TEST(RowParserTest, ListsOfMoreThan4096FeaturesAreRefused) {
  const auto repeat = [](const std::string& text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += text;
    return all;
  };
  Parsed libsvm(R"(data { format: LIBSVM } feature { column: "features" })");
  EXPECT_EQ(libsvm("1" + repeat(" 7:1", 4096)).size(), 1u + 4096);
  EXPECT_EQ(libsvm("1" + repeat(" 7:1", 5000)), (Fields{"bad: at most 4096 features expected", "5000", "features"}));
  Parsed listed(R"(data { format: DELIMITED delimited { label: "y" column { name: "y" } column { name: "a" } } }
                   feature { name: "whole" column: "a" } feature { column: "a" categorical { separator: "||" } })");
  EXPECT_EQ(listed("1,||" + repeat("t||||", 4096))[0], "1");
  EXPECT_EQ(listed("1,x" + repeat("||t", 4096)), (Fields{"bad: at most 4096 features expected", "4097", "a"}));
  EXPECT_EQ(listed("1," + std::string(10000, 'x'))[0], "1");
}

TEST(RowParserTest, SquaredErrorTakesAnyLabel) {
  Parsed parse(R"(data { format: LIBSVM } feature { column: "features" } model { name: "fm" loss: SQUARED_ERROR })");
  EXPECT_EQ(parse("3.5 a:1")[0], "3");
  EXPECT_EQ(parse.row().label, 3.5f);
  EXPECT_EQ(parse("1e99 a:1")[0], "bad: label within the range of floats expected");
}

TEST(RowParserTest, NoBytesCrashAParser) {
  Parsed parsers[] = {
      Parsed(Delimited("trim: true missing: '?'")), Parsed(Criteo()),
      Parsed(R"(data { format: LIBSVM } feature { column: "features" categorical { token_is_key: true } })"),
      Parsed(Delimited(""), "", RowParser::Labels::kIgnored)};
  TestRandom random(3);
  constexpr char kBytes[] = "\"\",,\t\t :1-+e.x\0\r\xff? ";
  const std::string alphabet(kBytes, sizeof(kBytes) - 1);
  for (int i = 0; i < 100'000; ++i) {
    std::string line;
    for (std::uint32_t n = random.Next(i % 100 ? 40 : 400); n > 0; --n) {
      line += i % 3 ? alphabet[random.Next(alphabet.size())] : static_cast<char>(random.Next(256));
    }
    for (Parsed& parse : parsers) parse(line);
  }
}

}  // namespace
}  // namespace sherd
