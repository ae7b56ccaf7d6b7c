#include "grammar.h"

#include "llama-grammar.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

// Ways in which a rule may begin. llama.cpp follows each of them at every token, and compares all with all.
static const uint64_t MOST_WAYS = 16384;

static const char * skip_space(const char * pos) {
    while (*pos == ' ' || *pos == '\t' || *pos == '\r' || *pos == '\n' || *pos == '#') {
        if (*pos == '#') {
            while (*pos != '\0' && *pos != '\r' && *pos != '\n') {
                pos++;
            }
        } else {
            pos++;
        }
    }
    return pos;
}

static std::string line_of(const std::string & grammar, size_t offset) {
    return "line " + std::to_string(1 + std::count(grammar.begin(), grammar.begin() + offset, '\n')) + ": ";
}

// The parser names a place by the whole rest of the grammar, or not at all: a line number and the next characters say
// more. `rule` is where the rule begins.
static std::string located(const std::string & message, const std::string & grammar, size_t rule) {
    const size_t at = message.find(" at ");
    const std::string rest = at != std::string::npos ? message.substr(at + 4) : message;
    if (at == std::string::npos || rest.size() > grammar.size() ||
        grammar.compare(grammar.size() - rest.size(), std::string::npos, rest) != 0) {
        return line_of(grammar, rule) + message;
    }
    const std::string shown = rest.substr(0, std::min<size_t>(rest.find_first_of("\r\n"), 40));
    const std::string place = rest.empty() ? "at its end" : shown.empty() ? "at the end of the line" : "before `" + shown + "`";
    return line_of(grammar, grammar.size() - rest.size()) + message.substr(0, at) + " " + place;
}

namespace {

// What may come first in each rule. llama.cpp looks for left recursion too, but considers a rule never empty
// if it can be empty only through another one, and then expands it forever.
struct beginnings {
    explicit beginnings(const llama_grammar_parser & parser) : parser(parser), rules(parser.rules) {
        may_be_empty.resize(rules.size());
        ways.resize(rules.size());
        depth.resize(rules.size());
    }

    // The longest chain of rules that begin with one another.
    uint32_t look() {
        find_empty();
        std::vector<std::vector<uint32_t>> begun_by(rules.size()); // for each rule, those that may begin with it
        std::vector<size_t> n_open(rules.size());
        for (uint32_t rule = 0; rule < rules.size(); rule++) {
            each_beginning(rule, [&](const llama_grammar_element & first) {
                if (first.type == LLAMA_GRETYPE_RULE_REF) {
                    begun_by[first.value].push_back(rule);
                    n_open[rule]++;
                }
            });
        }
        std::vector<uint32_t> ready;
        for (uint32_t rule = 0; rule < rules.size(); rule++) {
            if (n_open[rule] == 0) {
                ready.push_back(rule);
            }
        }
        size_t n_done = 0;
        uint32_t deepest = 0;
        for (; n_done < ready.size(); n_done++) {
            const uint32_t rule = ready[n_done];
            count(rule);
            deepest = std::max(deepest, depth[rule]);
            for (const uint32_t user : begun_by[rule]) {
                if (--n_open[user] == 0) {
                    ready.push_back(user);
                }
            }
        }
        if (n_done < rules.size()) {
            const auto circle = std::find_if(n_open.begin(), n_open.end(), [](size_t n) { return n > 0; });
            throw std::runtime_error("rule " + name(circle - n_open.begin()) +
                                     " may begin with itself, so its end is never found: let something come before it");
        }
        return deepest;
    }

  private:
    static bool ends(const llama_grammar_element & it) {
        return it.type == LLAMA_GRETYPE_END || it.type == LLAMA_GRETYPE_ALT;
    }

    // Calls `found` for every element that a rule may begin with.
    template <typename F> void each_beginning(uint32_t rule, F found) const {
        bool is_first = true;
        for (const auto & it : rules[rule]) {
            if (ends(it)) {
                is_first = true;
            } else if (is_first) {
                found(it);
                is_first = it.type == LLAMA_GRETYPE_RULE_REF && may_be_empty[it.value];
            }
        }
    }

    // An alternative of rules alone is empty once all of them may be.
    void find_empty() {
        struct alternative {
            uint32_t rule;
            size_t   n_missing;
        };
        std::vector<alternative> alternatives;
        std::vector<std::vector<size_t>> used_in(rules.size());
        std::vector<uint32_t> found;
        const auto add = [&](uint32_t rule) {
            if (!may_be_empty[rule]) {
                may_be_empty[rule] = true;
                found.push_back(rule);
            }
        };
        for (uint32_t rule = 0; rule < rules.size(); rule++) {
            alternative current = { rule, 0 };
            for (const auto & it : rules[rule]) {
                if (ends(it)) {
                    if (current.n_missing == 0) {
                        add(rule);
                    }
                    alternatives.push_back(current);
                    current.n_missing = 0;
                } else {
                    current.n_missing++;
                    if (it.type == LLAMA_GRETYPE_RULE_REF) {
                        used_in[it.value].push_back(alternatives.size());
                    }
                }
            }
        }
        for (size_t i = 0; i < found.size(); i++) {
            for (const size_t used : used_in[found[i]]) {
                if (--alternatives[used].n_missing == 0) {
                    add(alternatives[used].rule);
                }
            }
        }
    }

    // After the rules that it may begin with.
    void count(uint32_t rule) {
        ways[rule] = 1;
        each_beginning(rule, [&](const llama_grammar_element & first) {
            const bool is_rule = first.type == LLAMA_GRETYPE_RULE_REF;
            ways[rule] += is_rule ? ways[first.value] : 1;
            depth[rule] = std::max(depth[rule], is_rule ? depth[first.value] + 1 : 1);
            if (ways[rule] > MOST_WAYS) {
                throw std::runtime_error("rule " + name(rule) + " may begin in more than " + std::to_string(MOST_WAYS) +
                                         " ways: write it with fewer alternatives");
            }
        });
    }

    std::string name(uint32_t rule) const {
        for (const auto & [name, id] : parser.symbol_ids) {
            if (id == rule) {
                return name;
            }
        }
        return std::to_string(rule);
    }

    const llama_grammar_parser & parser;
    const llama_grammar_rules & rules;
    std::vector<bool> may_be_empty;
    std::vector<uint64_t> ways;
    std::vector<uint32_t> depth;
};

} // namespace

// llama.cpp's own parser prints what is wrong to standard error: its rules are read one by one in its place.
static void parse(llama_grammar_parser & parser, const std::string & grammar) {
    const char * pos = skip_space(grammar.c_str());
    try {
        while (*pos != '\0') {
            pos = parser.parse_rule(pos);
        }
    } catch (const std::exception & error) {
        throw std::runtime_error(located(error.what(), grammar, pos - grammar.c_str()));
    }
    for (const auto & [name, id] : parser.symbol_ids) {
        if (id >= parser.rules.size() || parser.rules[id].empty()) {
            throw std::runtime_error("rule " + name + " is used and not defined");
        }
    }
}

uint32_t check_grammar(const llama_vocab * vocab, const char * grammar, const char * root) {
    llama_grammar_parser parser(vocab);
    parse(parser, grammar);
    if (parser.rules.empty()) {
        throw std::runtime_error("it has no rules");
    }
    if (parser.symbol_ids.find(root) == parser.symbol_ids.end()) {
        throw std::runtime_error(std::string("it has no rule ") + root + ", where the text begins");
    }
    return beginnings(parser).look();
}
