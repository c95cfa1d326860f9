// What leaves as csv, and what the program in the sandbox says to the one outside.
#include "analysis/reports/reports.h"

#include <gtest/gtest.h>

#include "analysis/reports/draw.h"
#include "analysis/reports/draw_parts.h"
#include "analysis/reports/making.h"

namespace tarn::reports {
namespace {

TEST(CsvOfATile, GuardsFormulasButNotNumbers) {
    Json answer;
    answer["columns"] = Json::array();
    for (const auto& [name, type] : {std::pair("=a", "VARCHAR"), {"n", "DECIMAL(10,2)"}, {"list", "INTEGER[]"}}) {
        answer["columns"].push_back({{"name", name}, {"type", type}});
    }
    answer["rows"] = Json::array();
    answer["rows"].push_back(Json::array({"=cmd|' /C calc'!A0", "-1.50", Json::array({1, 2})}));
    answer["rows"].push_back(Json::array({nullptr, -3, nullptr}));
    answer["rows"].push_back(Json::array({"a \"b\"\r\nc", 1e-7, Json::array()}));
    EXPECT_EQ(CsvOf(answer),
              "\"'=a\",n,list\r\n"
              "\"'=cmd|' /C calc'!A0\",-1.50,\"[1,2]\"\r\n"
              ",-3,\r\n"
              "\"a \"\"b\"\"\r\nc\",1e-07,[]\r\n");
}

TEST(NamesOfFiles, HoldNothingOfAPath) {
    EXPECT_EQ(FileName("Mean delay by month, minutes"), "mean_delay_by_month_minutes");
    EXPECT_EQ(FileName("../../etc/passwd"), "etc_passwd");
    EXPECT_EQ(FileName("東京"), "tile");
    EXPECT_LE(FileName(std::string(1000, 'a')).size(), 60u);
}

TEST(WhatWasDrawn, IsFoundBehindWhatLibrariesSay) {
    Result<std::string> picture = std::string("\x89PNG\nbytes\n");
    std::string output = "Fontconfig warning: none\n" + DrawnHead(picture) + *picture;
    auto found = DrawnIn(output);
    ASSERT_TRUE(found.ok()) << found.error().ToString();
    EXPECT_EQ(*found, *picture);
    EXPECT_FALSE(DrawnIn(output.substr(0, output.size() - 1)).ok());
    EXPECT_FALSE(DrawnIn("").ok());
    EXPECT_FALSE(DrawnIn("\ntarn-report ok 99999999999999999999\nx").ok());
    Result<std::string> none = Error(ErrorCode::kNotSupported, "no fonts").WithHint("install some");
    auto error = DrawnIn(DrawnHead(none));
    ASSERT_FALSE(error.ok());
    EXPECT_EQ(error.error().code(), ErrorCode::kNotSupported);
    EXPECT_EQ(error.error().message(), "no fonts");
    EXPECT_EQ(error.error().hint(), "install some");
}

TEST(TheScript, MeasuresGivesPagesAndSaysWhatItThrows) {
    auto measure = [](const std::string& text, const LetterFont& font) {
        return static_cast<double>(text.size()) * font.size;
    };
    std::string script =
        "tarnReport = function (text) { var wide = tarnMeasure(JSON.parse(text).t, 2, 400, 'sans');"
        "return JSON.stringify({pages: [{width: wide, height: 7, svg: JSON.parse(text).t}]}); }";
    auto pages = RunDrawScript(script, R"({"t": "Zürich 😀"})", measure);
    ASSERT_TRUE(pages.ok()) << pages.error().ToString();
    ASSERT_EQ(pages->size(), 1u);
    EXPECT_EQ((*pages)[0].width, 24);
    EXPECT_EQ((*pages)[0].svg, "Zürich 😀");
    auto thrown = RunDrawScript("tarnReport = function () { throw new Error('no way'); }", "{}", measure);
    ASSERT_FALSE(thrown.ok());
    EXPECT_NE(thrown.error().message().find("no way"), std::string::npos);
    EXPECT_FALSE(RunDrawScript("this is no script", "{}", measure).ok());
    EXPECT_FALSE(RunDrawScript("1", "{}", measure).ok());
}

TEST(ThePainter, PaintsAndSaysWhatIsWrong) {
    auto painter = Painter::Create();
    ASSERT_TRUE(painter.ok()) << painter.error().ToString();
    EXPECT_GT((*painter)->Width("wide letters", {12, 400, "sans-serif"}), 30);
    Page page{100, 50, "<svg xmlns='http://www.w3.org/2000/svg' width='100' height='50'><text y='20'>a</text></svg>"};
    auto png = (*painter)->Png(page);
    ASSERT_TRUE(png.ok()) << png.error().ToString();
    EXPECT_TRUE(png->starts_with("\x89PNG"));
    auto pdf = (*painter)->Pdf({page, page}, "title");
    ASSERT_TRUE(pdf.ok()) << pdf.error().ToString();
    EXPECT_TRUE(pdf->starts_with("%PDF"));
    EXPECT_FALSE((*painter)->Png({10, 10, "<svg"}).ok());
    // As high as a report of 200 tiles: painted smaller.
    Page tall{1152, 60'000, "<svg xmlns='http://www.w3.org/2000/svg' width='1152' height='60000'/>"};
    EXPECT_TRUE((*painter)->Png(tall).ok());
}

}  // namespace
}  // namespace tarn::reports
