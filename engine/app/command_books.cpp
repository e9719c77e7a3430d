// `oneclick books`: what the demo and the tests run as a process of its own to compare the
// exchange's ledger with the database.
#include <cstdio>
#include <cstdlib>

#include "engine/app/books.hpp"
#include "engine/app/commands.hpp"

namespace oneclick {

int command_books(const BooksArguments& arguments) {
  const auto ledger = read_ledger(arguments.ledger_file);
  if (!ledger) {
    std::fprintf(stderr, "oneclick: --ledger: %s\n", ledger.error().c_str());
    return 65;
  }
  const auto books = read_books(arguments.database_url, ledger->accounts);
  if (!books) {
    std::fprintf(stderr, "oneclick: database: %s\n", books.error().c_str());
    return 69;
  }
  const Comparison comparison = compare_books(*ledger, *books);
  std::printf("%s\n", books_json(*books, comparison).c_str());
  return comparison.agree() ? 0 : 1;
}

}  // namespace oneclick
