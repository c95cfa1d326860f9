#include "ingestion/orchestrator/run_text.h"

#include <gtest/gtest.h>

namespace tarn::orchestrator {
namespace {

TEST(RunTextTest, ColoursOfATerminalAreLeftOut) {
    EXPECT_EQ(RunText("\x1b[1;31mred\x1b[0m and \x1b[38;5;12mblue\x1b[K"), "red and blue");
    EXPECT_EQ(RunText("\x1b]0;a title\x07text"), "text");
    EXPECT_EQ(RunText("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\"), "link");
    EXPECT_EQ(RunText("end\x1b"), "end");
    EXPECT_EQ(RunText("end\x1b[3"), "end3");  // a command without its end takes nothing along
    EXPECT_EQ(RunText("\x1b[" + std::string(200, '1') + "m!"), std::string(200, '1') + "m!");
}

TEST(RunTextTest, WhatIsWrittenOverIsOneLineAfterTheOther) {
    EXPECT_EQ(RunText("10 %\r20 %\r30 %\r\n"), "10 %\n20 %\n30 %\n");
    EXPECT_EQ(RunText("\rfirst\r"), "first");
}

TEST(RunTextTest, WhatIsNoTextIsAQuestionMark) {
    EXPECT_EQ(RunText(std::string_view("a\0b\xff\x7f\tc", 7)), "a?b?\x7f\tc");
    EXPECT_EQ(RunText("<b>&\n"), "<b>&\n");
    EXPECT_EQ(RunText(std::string(kRunTextBytesMax + 5, 'x')).size(), kRunTextBytesMax);
}

}  // namespace
}  // namespace tarn::orchestrator
