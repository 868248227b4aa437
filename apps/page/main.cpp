// The page's answers without a browser: a question on each line of standard input, its answer on
// standard output.
#include <iostream>

#include "apps/page/page.hpp"

int main() {
  tapesort::Page page;
  for (std::string question; std::getline(std::cin, question);) {
    std::cout << page.answer(question) << std::endl;
  }
}
