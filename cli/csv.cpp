// csv.cpp: a CSV reader for those who want few columns of many.
//
//     file --blocks--> cut after whole rows --> tasks: fields of the chosen columns (ucid_csv_fields) --> values -->
//     batches, in the order of the file
#include "csv.hpp"

#include "ucid.h"

#include <arrow/util/thread_pool.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <cmath>
#include <cstring>
#include <deque>
#include <functional>

using arrow::Result;
using arrow::Status;
using std::shared_ptr;
using std::string;
using std::string_view;
using std::vector;

namespace
{

constexpr int64_t row_bytes_max = 1 << 30;

// --------------------------------------------------------------------------------------------------------- Fields --

bool is_null(string_view text)
{
    static const string_view nulls[] = {"",     "#N/A", "#N/A N/A", "#NA",     "-1.#IND", "-1.#QNAN",
                                        "-NaN", "-nan", "1.#IND",   "1.#QNAN", "N/A",     "NA",
                                        "NULL", "NaN",  "n/a",      "nan",     "null"};
    return std::find(std::begin(nulls), std::end(nulls), text) != std::end(nulls);
}

// What is not plain is left to the library.
bool read_number(string_view text, double *value)
{
    if (ucid_csv_number(text.data(), text.size(), value) != 0) return true;
    if (!text.empty() && text.front() == '+') text.remove_prefix(1);
    auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(), *value);
    if (code == std::errc::result_out_of_range) { // tiny or huge
        size_t exponent = text.find_first_of("eE"), first = text.find_first_of("123456789");
        bool tiny = exponent != string::npos ? text.find('-', exponent) != string::npos : first > text.find('.');
        *value = (text.front() == '-' ? -1.0 : 1.0) * (tiny ? 0.0 : HUGE_VAL);
        return stop == text.data() + text.size();
    }
    return code == std::errc() && stop == text.data() + text.size();
}

string unquoted(string_view field)
{
    string text(field.size(), '\0');
    text.resize(ucid_csv_text(field.data(), field.size(), text.data()));
    return text;
}

// A column being read.
class column_builder
{
  public:
    Status reserve(const csv_column &column, int64_t rows)
    {
        column_ = &column;
        if (!column.text) return numbers_.Reserve(rows);
        return texts_.Reserve(rows);
    }

    // false: a field that is no number
    bool add(string_view field)
    {
        if (column_->text) {
            if (field.empty()) {
                good_ &= texts_.AppendNull();
            } else if (field.front() != '"') {
                good_ &= texts_.Append(field);
            } else if (field.size() >= 2 && field.back() == '"' &&
                       memchr(field.data() + 1, '"', field.size() - 2) == nullptr) {
                good_ &= texts_.Append(field.substr(1, field.size() - 2));
            } else {
                good_ &= texts_.Append(unquoted(field));
            }
            return true;
        }
        double value = 0.0;
        if (!field.empty() && read_number(field, &value)) [[likely]] {
            if (value == value) {
                good_ &= numbers_.Append(value);
            } else {
                good_ &= numbers_.AppendNull();
            }
            return true;
        }
        string held;
        if (!field.empty() && field.front() == '"') {
            held = unquoted(field);
            field = held;
        }
        while (!field.empty() && (field.front() == ' ' || field.front() == '\t')) field.remove_prefix(1);
        while (!field.empty() && (field.back() == ' ' || field.back() == '\t')) field.remove_suffix(1);
        if (is_null(field)) {
            good_ &= numbers_.AppendNull();
            return true;
        }
        if (!read_number(field, &value)) return false;
        good_ &= numbers_.Append(value);
        return true;
    }

    Result<shared_ptr<arrow::Array>> finish()
    {
        ARROW_RETURN_NOT_OK(good_);
        shared_ptr<arrow::Array> array;
        ARROW_RETURN_NOT_OK(column_->text ? texts_.Finish(&array) : numbers_.Finish(&array));
        return array;
    }

  private:
    const csv_column *column_ = nullptr;
    arrow::StringBuilder texts_;
    arrow::DoubleBuilder numbers_;
    Status good_;
};

// ------------------------------------------------------------------------------------------------------------ Rows --

struct layout {
    int column_count;
    vector<int32_t> chosen;
    vector<csv_column> columns; // of these
    shared_ptr<arrow::Schema> schema;
};

struct block {
    shared_ptr<arrow::RecordBatch> batch;
    int64_t rows = 0, bad_row = -1; // bad_row: where reading ended
    string problem;
};

// Whole rows as a batch; a problem ends them.
Result<block> read_rows(const layout &given, const char *bytes, size_t length)
{
    size_t count = given.chosen.size(), capacity = length / static_cast<size_t>(given.column_count) + 1;
    auto fields = std::make_unique_for_overwrite<ucid_csv_field[]>(count * capacity + 1);
    block made;
    ucid_error error;
    ucid_status status =
        ucid_csv_fields(bytes, length, given.column_count, given.chosen.data(), static_cast<int32_t>(count),
                        static_cast<int64_t>(capacity), fields.get(), &made.rows, &error);
    if (status != UCID_OK) {
        if (status != UCID_DATA_ERROR) return Status::Invalid(error.message);
        made.bad_row = made.rows;
        made.problem = error.message;
    }
    arrow::ArrayVector arrays;
    for (size_t c = 0; c < count; c++) {
        column_builder builder;
        ARROW_RETURN_NOT_OK(builder.reserve(given.columns[c], made.rows));
        for (int64_t row = 0; row < made.rows; row++) {
            const ucid_csv_field &at = fields[static_cast<size_t>(row) * count + c];
            string_view field(bytes + at.start, at.length);
            if (builder.add(field)) [[likely]] {
                continue;
            }
            made.rows = made.bad_row = row;
            made.problem =
                "column '" + given.columns[c].name + "': '" + string(field.substr(0, 40)) + "' is not a number";
        }
        ARROW_ASSIGN_OR_RAISE(auto array, builder.finish());
        arrays.push_back(array);
    }
    if (made.problem.empty()) made.batch = arrow::RecordBatch::Make(given.schema, made.rows, arrays);
    return made;
}

// ---------------------------------------------------------------------------------------------------------- Reader --

// Whole rows, which lie in the buffer, as a batch.
using decoder = std::function<Result<block>(const shared_ptr<arrow::Buffer> &held, const char *bytes, size_t length)>;

// Arrow tells rows of what it was given, from 1 on; here they are told as rows of the file.
Status with_row(const Status &status, int64_t rows_before)
{
    const string text = status.message(), mark = "Row #";
    size_t at = text.find(mark), digits = at + mark.size();
    if (at == string::npos) return status;
    size_t end = std::min(text.find_first_not_of("0123456789", digits), text.size());
    int64_t row = 0;
    std::from_chars(text.data() + digits, text.data() + end, row);
    return status.WithMessage(text.substr(0, digits), row + rows_before, text.substr(end));
}

class csv_blocks final : public arrow::RecordBatchReader
{
  public:
    csv_blocks(shared_ptr<arrow::io::InputStream> input, shared_ptr<arrow::Schema> schema, decoder decode, int threads,
               int64_t block_bytes)
        : input_(std::move(input)), schema_(std::move(schema)), decode_(std::move(decode)),
          ahead_(static_cast<size_t>(threads) + 2), block_bytes_(block_bytes)
    {
    }
    ~csv_blocks() override
    {
        for (auto &one : waiting_) one.Wait();
    }

    shared_ptr<arrow::Schema> schema() const override { return schema_; }

    Status ReadNext(shared_ptr<arrow::RecordBatch> *batch) override
    {
        batch->reset();
        while (waiting_.size() < ahead_ && !done_) ARROW_RETURN_NOT_OK(send_block());
        if (waiting_.empty()) return Status::OK();
        auto first = waiting_.front();
        waiting_.pop_front();
        done_ = done_ || !first.result().ok() || !first.result()->problem.empty();
        if (!first.result().ok()) return with_row(first.status(), rows_ + 1);
        const block &made = *first.result();
        if (!made.problem.empty()) {
            return Status::Invalid("row ", rows_ + made.bad_row + 2, " (the header is row 1) ", made.problem);
        }
        rows_ += made.rows;
        *batch = made.batch;
        return Status::OK();
    }

    // The header is the first row; it is not given.
    Status skip_header()
    {
        bool at_start = true;
        ARROW_RETURN_NOT_OK(fill());
        for (;;) {
            const char *bytes = reinterpret_cast<const char *>(buffer_->data());
            if (at_start && length_ >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) start_ = 3;
            size_t row = ucid_csv_row(bytes + start_, length_ - start_);
            if (row == 0 && !ended_) { // the row goes on
                at_start = at_start && start_ == 0;
                ARROW_RETURN_NOT_OK(fill());
                continue;
            }
            at_start = false;
            size_t next = row != 0 ? start_ + row : length_;
            bool empty = next - start_ <= 2 && (next == start_ || bytes[start_] == '\n' || bytes[start_] == '\r');
            start_ = next;
            if (!empty || (next == length_ && ended_)) return Status::OK();
        }
    }

  private:
    // A block with what is left of the one before in front.
    Status fill()
    {
        int64_t left = static_cast<int64_t>(length_ - start_);
        ARROW_ASSIGN_OR_RAISE(shared_ptr<arrow::ResizableBuffer> next,
                              arrow::AllocateResizableBuffer(left + std::max(block_bytes_, left)));
        if (left > 0) memcpy(next->mutable_data(), buffer_->data() + start_, static_cast<size_t>(left));
        int64_t wanted = next->size() - left, got = 0;
        while (got < wanted) {
            ARROW_ASSIGN_OR_RAISE(int64_t some, input_->Read(wanted - got, next->mutable_data() + left + got));
            if (some == 0) break;
            got += some;
        }
        ended_ = got < wanted;
        buffer_ = next;
        start_ = 0;
        length_ = static_cast<size_t>(left + got);
        return Status::OK();
    }

    Status send_block()
    {
        const char *bytes = nullptr;
        size_t whole = 0;
        for (bool fresh = first_;; fresh = false) {
            if (!fresh) ARROW_RETURN_NOT_OK(fill());
            first_ = false;
            bytes = reinterpret_cast<const char *>(buffer_->data()) + start_;
            whole = ended_ ? length_ - start_ : ucid_csv_rows(bytes, length_ - start_);
            if (whole > 0 || ended_) break;
            if (static_cast<int64_t>(length_ - start_) > row_bytes_max) {
                return Status::Invalid("a row has more than a gigabyte");
            }
        }
        done_ = ended_;
        if (whole == 0) return Status::OK();
        auto task = [decode = decode_, held = buffer_, bytes, whole] { return decode(held, bytes, whole); };
        ARROW_ASSIGN_OR_RAISE(auto future, arrow::internal::GetCpuThreadPool()->Submit(task));
        waiting_.push_back(future);
        start_ += whole;
        return Status::OK();
    }

    shared_ptr<arrow::io::InputStream> input_;
    shared_ptr<arrow::Schema> schema_;
    decoder decode_;
    size_t ahead_;
    int64_t block_bytes_;
    std::deque<arrow::Future<block>> waiting_;
    shared_ptr<arrow::Buffer> buffer_;
    size_t start_ = 0, length_ = 0; // of buffer_: what is still to be cut
    int64_t rows_ = 0;
    bool first_ = true;  // nothing was cut yet
    bool ended_ = false; // buffer_ has the end of the input,
    bool done_ = false;  // and it was sent
};

} // namespace

vector<string> csv_header(string_view start)
{
    if (start.substr(0, 3) == "\xEF\xBB\xBF") start.remove_prefix(3);
    while (!start.empty() && (start.front() == '\n' || start.substr(0, 2) == "\r\n")) {
        start.remove_prefix(start.front() == '\n' ? 1 : 2);
    }
    size_t length = ucid_csv_row(start.data(), start.size());
    if (length == 0) return {};
    string_view row = start.substr(0, length - 1);
    if (!row.empty() && row.back() == '\r') row.remove_suffix(1);
    vector<string> names;
    for (size_t at = 0; at <= row.size();) {
        size_t stop = at;
        if (at < row.size() && row[at] == '"') {
            for (stop++; stop < row.size() && (row[stop] != '"' || (stop + 1 < row.size() && row[stop + 1] == '"'));
                 stop++) {
                stop += row[stop] == '"';
            }
        }
        while (stop < row.size() && row[stop] != ',') stop++;
        string_view field = row.substr(at, stop - at);
        if (field.find('\r') != string_view::npos) return {};
        names.push_back(!field.empty() && field.front() == '"' ? unquoted(field) : string(field));
        at = stop + 1;
    }
    return names;
}

Result<shared_ptr<arrow::RecordBatchReader>> csv_open(shared_ptr<arrow::io::InputStream> input, int column_count,
                                                      const vector<int> &chosen, const vector<csv_column> &columns,
                                                      int threads, int64_t block_bytes)
{
    auto given = std::make_shared<layout>();
    given->column_count = column_count;
    given->chosen.assign(chosen.begin(), chosen.end());
    given->columns = columns;
    arrow::FieldVector fields;
    for (const auto &column : columns) {
        fields.push_back(arrow::field(column.name, column.text ? arrow::utf8() : arrow::float64()));
    }
    given->schema = arrow::schema(fields);
    auto decode = [given](const shared_ptr<arrow::Buffer> &, const char *bytes, size_t length) {
        return read_rows(*given, bytes, length);
    };
    auto reader = std::make_shared<csv_blocks>(std::move(input), given->schema, decode, threads, block_bytes);
    ARROW_RETURN_NOT_OK(reader->skip_header());
    return reader;
}

Result<shared_ptr<arrow::RecordBatchReader>> csv_open_blocks(shared_ptr<arrow::io::InputStream> input,
                                                             shared_ptr<arrow::Schema> schema, csv_decoder decode,
                                                             int threads)
{
    auto whole = [decode](const shared_ptr<arrow::Buffer> &held, const char *bytes, size_t length) -> Result<block> {
        int64_t first = bytes - reinterpret_cast<const char *>(held->data());
        block made;
        ARROW_ASSIGN_OR_RAISE(made.batch, decode(arrow::SliceBuffer(held, first, static_cast<int64_t>(length))));
        made.rows = made.batch->num_rows();
        return made;
    };
    auto reader = std::make_shared<csv_blocks>(std::move(input), std::move(schema), whole, threads, csv_block_bytes);
    ARROW_RETURN_NOT_OK(reader->skip_header());
    return reader;
}
