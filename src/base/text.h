// Small things every component does with text. Nothing here allocates by a length that a peer declared.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tarn {

std::vector<std::string> Split(std::string_view text, char separator);
std::string Join(const std::vector<std::string>& parts, std::string_view separator);
std::string_view Trim(std::string_view text);
std::string ToLower(std::string_view text);
bool EqualsIgnoreCase(std::string_view left, std::string_view right);
bool IsUtf8(std::string_view text);

// IAM-style wildcards: '*' any run of characters ('/' too), '?' one UTF-8 character. At most pattern × text steps.
bool MatchesWildcard(std::string_view pattern, std::string_view text);

// The candidate (case does not matter) nearest to `word` by edit distance, empty when none is near enough to suggest.
std::string NearestWord(std::string_view word, const std::vector<std::string>& candidates);

// SQL quoting: "my ""table""" and 'it''s'.
std::string QuoteIdentifier(std::string_view name);
std::string QuoteLiteral(std::string_view text);

// Compares without a timing that tells where the two differ.
bool ConstantTimeEquals(std::string_view left, std::string_view right);

}  // namespace tarn
