#include "persistence/pg_statements.hpp"

#include <algorithm>
#include <cctype>

namespace oneclick {

namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || (c & 0x80) != 0;
}

// Reads one text from front to back. Each function below starts at what it is named after and ends
// behind it; what is not closed reaches to the end, and PostgreSQL says so.
class Splitter {
 public:
  explicit Splitter(std::string_view text) : text_(text) {}

  std::vector<std::string_view> split() {
    while (at_ < text_.size()) step();
    finish();
    return std::move(statements_);
  }

 private:
  [[nodiscard]] bool starts(std::string_view what) const {
    return text_.substr(at_).starts_with(what);
  }
  void skip_to_behind(std::string_view end) {
    const std::size_t found = text_.find(end, at_);
    at_ = found == std::string_view::npos ? text_.size() : found + end.size();
  }

  void step() {
    const char c = text_[at_];
    if (starts("--")) {
      skip_to_behind("\n");
    } else if (starts("/*")) {
      comment();
    } else if (c == ';') {
      finish();
      ++at_;
    } else if (std::isspace(static_cast<unsigned char>(c)) != 0) {
      ++at_;
    } else {
      if (begin_ == none) begin_ = at_;
      token(c);
      end_ = at_;
    }
  }

  void token(char c) {
    if (c == '\'' || c == '"') {
      quoted(c, c == '\'' && escapes_before());
    } else if (c == '$' && (at_ == 0 || !is_word(text_[at_ - 1]))) {
      dollar_quoted();
    } else {
      ++at_;
    }
  }

  // E'...': an E of its own right before the quote.
  [[nodiscard]] bool escapes_before() const {
    if (at_ == 0 || (text_[at_ - 1] != 'E' && text_[at_ - 1] != 'e')) return false;
    return at_ == 1 || !is_word(text_[at_ - 2]);
  }

  // A doubled quote is two texts side by side, which ends at the same place.
  void quoted(char quote, bool backslashes) {
    for (++at_; at_ < text_.size(); ++at_) {
      if (backslashes && text_[at_] == '\\')
        ++at_;
      else if (text_[at_] == quote)
        break;
    }
    at_ = std::min(at_ + 1, text_.size());
    // 'it''s' with backslashes: the second half has them too.
    if (backslashes && at_ < text_.size() && text_[at_] == quote) quoted(quote, true);
  }

  void dollar_quoted() {
    std::size_t close = at_ + 1;
    while (close < text_.size() && is_word(text_[close])) ++close;
    const bool is_tag = close < text_.size() && text_[close] == '$' &&
                        std::isdigit(static_cast<unsigned char>(text_[at_ + 1])) == 0;
    if (!is_tag) {
      ++at_;
      return;
    }
    const std::string_view tag = text_.substr(at_, close + 1 - at_);
    at_ = close + 1;
    skip_to_behind(tag);
  }

  void comment() {
    int depth = 0;
    do {
      if (starts("/*")) {
        ++depth;
        at_ += 2;
      } else if (starts("*/")) {
        --depth;
        at_ += 2;
      } else {
        ++at_;
      }
    } while (depth > 0 && at_ < text_.size());
  }

  void finish() {
    if (begin_ != none) statements_.push_back(text_.substr(begin_, end_ - begin_));
    begin_ = none;
  }

  static constexpr std::size_t none = std::string_view::npos;
  const std::string_view text_;
  std::size_t at_ = 0;
  std::size_t begin_ = none;  // of the statement being read
  std::size_t end_ = 0;       // behind its last token
  std::vector<std::string_view> statements_;
};

}  // namespace

std::vector<std::string_view> sql_statements(std::string_view text) {
  return Splitter(text).split();
}

}  // namespace oneclick
