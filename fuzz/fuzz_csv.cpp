// fuzz_csv.cpp: bytes are a CSV file. Read in blocks of any length, its rows must be those that a reader which goes
// byte by byte and knows no blocks finds, in the same texts; and numbers the ones of those texts, or an error at the
// same row.
#include "../cli/csv.hpp"

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <optional>

using std::optional;
using std::shared_ptr;
using std::string;
using std::string_view;
using std::vector;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace
{

using row = vector<optional<string>>;

struct answer {
    vector<row> rows;
    bool failed = false;
};

void require(bool holds)
{
    if (!holds) abort();
}

// A field: text up to a comma or the end of the line; or, where it begins with a quote, what stands between that and
// the next single one, and what follows it.
answer read_plainly(string_view text, size_t columns, size_t chosen)
{
    answer made;
    bool is_header = true;
    for (size_t at = 0; at < text.size();) {
        row fields;
        bool ends = false;
        size_t start = at;
        while (!ends) {
            string field;
            bool quoted = at < text.size() && text[at] == '"';
            size_t from = at;
            if (quoted) {
                for (at++; at < text.size() && (text[at] != '"' || (at + 1 < text.size() && text[at + 1] == '"'));
                     at++) {
                    at += text[at] == '"';
                    field += text[at];
                }
                if (at < text.size()) at++;
            }
            size_t tail = at;
            while (at < text.size() && text[at] != ',' && text[at] != '\n') at++;
            ends = at == text.size() || text[at] == '\n';
            size_t stop = ends && at > from && text[at - 1] == '\r' ? at - 1 : at;
            if (stop > tail) field += text.substr(tail, stop - tail);
            // a line end within the quotes of a field that nothing closes is the last thing of the file
            if (quoted && stop < tail && !field.empty() && tail == at && text[at - 1] == '\r') field.pop_back();
            fields.push_back(!quoted && field.empty() ? optional<string>() : optional<string>(field));
            if (ends && fields.size() == 1 && stop == start) fields.clear();
            if (at < text.size()) at++;
        }
        if (fields.empty()) continue;
        if (is_header) {
            is_header = false;
            continue;
        }
        if (fields.size() != columns) {
            made.failed = true;
            return made;
        }
        made.rows.push_back({fields[chosen]});
    }
    return made;
}

// false: the reader had an error.
template <typename array, typename add_value>
bool read_by_blocks(string_view text, size_t columns, int chosen, bool as_text, int64_t block, add_value add)
{
    auto input = std::make_shared<arrow::io::BufferReader>(std::make_shared<arrow::Buffer>(text));
    auto opened = csv_open(input, static_cast<int>(columns), {chosen}, {{"c", as_text}}, 2, block);
    if (!opened.ok()) return false;
    for (;;) {
        shared_ptr<arrow::RecordBatch> batch;
        if (!(*opened)->ReadNext(&batch).ok()) return false;
        if (batch == nullptr) return true;
        require(batch->ValidateFull().ok() || as_text); // texts of the input may be no UTF-8
        const auto &values = static_cast<const array &>(*batch->column(0));
        for (int64_t i = 0; i < values.length(); i++) add(values, i);
    }
}

// What a number is without the rules of CSV: strtod's word for texts of its characters alone.
optional<double> plain_number(const string &text)
{
    if (text.empty() || text.find_first_not_of("0123456789.-") != string::npos || text.size() > 30) return {};
    char *end = nullptr;
    double value = strtod(text.c_str(), &end);
    return *end == '\0' ? optional<double>(value) : optional<double>();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    int64_t block = 1 + data[0] % 200;
    string_view text(reinterpret_cast<const char *>(data) + 2, size - 2);
    vector<string> names = csv_header(text);
    if (names.empty()) return 0;
    size_t chosen = data[1] % names.size();
    string_view rows = text.substr(text.substr(0, 3) == "\xEF\xBB\xBF" ? 3 : 0);
    answer plain = read_plainly(rows, names.size(), chosen), made;
    made.failed = !read_by_blocks<arrow::StringArray>(
        text, names.size(), static_cast<int>(chosen), true, block, [&](const arrow::StringArray &values, int64_t i) {
            made.rows.push_back({values.IsNull(i) ? optional<string>() : optional<string>(values.GetString(i))});
        });
    require(made.failed == plain.failed);
    require(made.rows.size() <= plain.rows.size() && (made.failed || made.rows.size() == plain.rows.size()));
    for (size_t i = 0; i < made.rows.size(); i++) require(made.rows[i] == plain.rows[i]);

    size_t at = 0;
    read_by_blocks<arrow::DoubleArray>(
        text, names.size(), static_cast<int>(chosen), false, block, [&](const arrow::DoubleArray &values, int64_t i) {
            const optional<string> &field = plain.rows[at++][0];
            optional<double> expected = field ? plain_number(*field) : optional<double>();
            require(!expected || (!values.IsNull(i) && values.Value(i) == *expected &&
                                  std::signbit(values.Value(i)) == std::signbit(*expected)));
            require(field || values.IsNull(i));
        });
    return 0;
}
