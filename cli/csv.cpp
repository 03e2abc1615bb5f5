// csv.cpp: a CSV reader for those who want few columns of many.
//
//     file --blocks--> cut after whole rows --> tasks: 64 bytes at a time, bits of commas, line ends and quotes -->
//     fields of the chosen columns alone are looked at --> batches, in the order of the file
//
// A byte is inside quotes where the number of quotes before it is odd, which is a prefix XOR of bits. That holds where
// a quote opens only at the start of a field, as RFC 4180 has it; a block with a quote elsewhere is read byte by byte,
// and there quotes inside a field that did not begin with one are text, as Arrow's reader takes them. Cost: some bytes
// a cycle for what is skipped.
#include "csv.hpp"

#include <arrow/util/thread_pool.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <cmath>
#include <cstring>
#include <deque>
#include <functional>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

using arrow::Result;
using arrow::Status;
using std::shared_ptr;
using std::string;
using std::string_view;
using std::vector;

namespace
{

constexpr int64_t row_bytes_max = 1 << 30;

// ----------------------------------------------------------------------------------------------------------- Bits --

struct masks {
    uint64_t commas, ends, quotes;
};

template <bool quotes> masks masks_of_some(const char *bytes, size_t count)
{
    masks found = {0, 0, 0};
    for (size_t i = 0; i < count; i++) {
        found.commas |= static_cast<uint64_t>(bytes[i] == ',') << i;
        found.ends |= static_cast<uint64_t>(bytes[i] == '\n') << i;
        if constexpr (quotes) found.quotes |= static_cast<uint64_t>(bytes[i] == '"') << i;
    }
    return found;
}

#ifdef __SSE2__
uint64_t bits_equal(const __m128i *vectors, char wanted)
{
    uint64_t bits = 0;
    for (int i = 0; i < 4; i++) {
        int some = _mm_movemask_epi8(_mm_cmpeq_epi8(vectors[i], _mm_set1_epi8(wanted)));
        bits |= static_cast<uint64_t>(static_cast<unsigned>(some)) << 16 * i;
    }
    return bits;
}

template <bool quotes> masks masks_of(const char *bytes)
{
    __m128i vectors[4];
    for (int i = 0; i < 4; i++) vectors[i] = _mm_loadu_si128(reinterpret_cast<const __m128i *>(bytes) + i);
    return {bits_equal(vectors, ','), bits_equal(vectors, '\n'), quotes ? bits_equal(vectors, '"') : 0};
}
#else
template <bool quotes> masks masks_of(const char *bytes) { return masks_of_some<quotes>(bytes, 64); }
#endif

// Of the next bytes, 64 of them or fewer; quotes are left out where there are none.
template <bool quotes> masks masks_at(const char *bytes, size_t count)
{
    return count == 64 ? masks_of<quotes>(bytes) : masks_of_some<quotes>(bytes, count);
}

uint64_t prefix_xor(uint64_t bits)
{
    for (int shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
    return bits;
}

// Follows quotes through a block of rows.
struct quote_walk {
    uint64_t inside = 0; // all ones: the last byte was inside quotes
    uint64_t before = 1; // bit 0: a quote may open at the next byte
    bool regular = true;

    // Bits inside quotes of the next bytes.
    uint64_t next(const masks &m)
    {
        if (m.quotes == 0) {
            before = (m.commas | m.ends) >> 63;
            return inside;
        }
        uint64_t in = prefix_xor(m.quotes) ^ inside, opens = m.quotes & in, closes = m.quotes & ~in;
        uint64_t may = m.commas | m.ends | closes;
        if ((opens & ~(may << 1 | before)) != 0) regular = false;
        before = may >> 63;
        inside = static_cast<uint64_t>(static_cast<int64_t>(in) >> 63);
        return in;
    }
};

// Byte by byte: the end of the row that starts at `at`, behind its line end; nullptr where the block ends before.
const char *row_end_slowly(const char *at, const char *end)
{
    for (bool start = true; at < end; at++) {
        if (start && *at == '"') {
            for (at++; at < end; at++) {
                if (*at != '"') continue;
                if (at + 1 == end) return nullptr; // one more may follow
                if (at[1] != '"') break;
                at++;
            }
            if (at == end) return nullptr;
            start = false;
        } else if (*at == '\n') {
            return at + 1;
        } else {
            start = *at == ',';
        }
    }
    return nullptr;
}

struct cut {
    size_t whole; // bytes of whole rows
    bool regular, quotes;
};

// Where the last whole row of a block ends. The block starts with a row.
cut cut_rows(const char *bytes, size_t length)
{
    if (memchr(bytes, '"', length) == nullptr) {
        const void *last = memrchr(bytes, '\n', length);
        return {last != nullptr ? static_cast<size_t>(static_cast<const char *>(last) - bytes) + 1 : 0, true, false};
    }
    quote_walk walk;
    size_t whole = 0;
    for (size_t at = 0; at < length; at += 64) {
        size_t count = std::min<size_t>(64, length - at);
        masks m = masks_at<true>(bytes + at, count);
        uint64_t ends = m.ends & ~walk.next(m);
        if (ends != 0) whole = at + 64 - static_cast<size_t>(__builtin_clzll(ends));
    }
    if (walk.regular) return {whole, true, true};
    const char *from = bytes;
    while (const char *next = row_end_slowly(from, bytes + length)) from = next;
    return {static_cast<size_t>(from - bytes), false, true};
}

// --------------------------------------------------------------------------------------------------------- Fields --

bool is_null(string_view text)
{
    static const string_view nulls[] = {"",     "#N/A", "#N/A N/A", "#NA",     "-1.#IND", "-1.#QNAN",
                                        "-NaN", "-nan", "1.#IND",   "1.#QNAN", "N/A",     "NA",
                                        "NULL", "NaN",  "n/a",      "nan",     "null"};
    return std::find(std::begin(nulls), std::end(nulls), text) != std::end(nulls);
}

// Digits, a point, digits: those that fit into a double and a power of ten that does are divided once, which rounds as
// it should; everything else is left to the library.
bool read_number(string_view text, double *value)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *at = text.data(), *end = at + text.size();
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) at++;
    const char *digits = at, *point = nullptr;
    uint64_t whole = 0;
    for (; at < end; at++) {
        unsigned digit = static_cast<unsigned char>(*at) - '0';
        if (digit < 10) {
            whole = whole * 10 + digit;
        } else if (*at == '.' && point == nullptr) {
            point = at;
        } else {
            break;
        }
    }
    int64_t length = at - digits, decimals = point != nullptr ? at - point - 1 : 0;
    if (at == end && length > (point != nullptr ? 1 : 0) && length <= 19 && whole <= uint64_t{1} << 53 &&
        decimals <= 22) {
        double read = static_cast<double>(whole) / powers[decimals];
        *value = negative ? -read : read;
        return true;
    }
    if (!text.empty() && text.front() == '+') text.remove_prefix(1);
    auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(), *value);
    if (code == std::errc::result_out_of_range) { // tiny or huge
        size_t exponent = text.find_first_of("eE"), first = text.find_first_of("123456789");
        bool tiny = exponent != string::npos ? text.find('-', exponent) != string::npos : first > text.find('.');
        *value = (negative ? -1.0 : 1.0) * (tiny ? 0.0 : HUGE_VAL);
        return stop == text.data() + text.size();
    }
    return code == std::errc() && stop == text.data() + text.size();
}

// What stands between quotes, and behind them.
string unquoted(string_view field)
{
    string text;
    size_t at = 1;
    for (; at < field.size(); at++) {
        if (field[at] == '"') {
            if (at + 1 >= field.size() || field[at + 1] != '"') break;
            at++;
        }
        text += field[at];
    }
    if (at + 1 < field.size()) text += field.substr(at + 1);
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
    vector<int> slot_of;      // [column_count] of the chosen columns, -1: skipped
    vector<int> skipped_from; // [column_count] how many columns from here on are skipped; INT_MAX: all to the end
    vector<csv_column> columns;
    shared_ptr<arrow::Schema> schema;
};

struct block {
    shared_ptr<arrow::RecordBatch> batch;
    int64_t rows = 0, bad_row = -1; // bad_row: where reading ended
    string problem;
};

class row_reader
{
  public:
    row_reader(const layout &given, const char *bytes, size_t length)
        : layout_(given), bytes_(bytes), length_(length), builders_(given.columns.size())
    {
    }

    Result<block> read(const cut &how)
    {
        int64_t rows = static_cast<int64_t>(length_) / (4 * layout_.column_count + 8) + 16;
        for (size_t i = 0; i < builders_.size(); i++)
            ARROW_RETURN_NOT_OK(builders_[i].reserve(layout_.columns[i], rows));
        if (!how.regular) {
            read_slowly();
        } else if (how.quotes) {
            read_bits<true>();
        } else {
            read_bits<false>();
        }
        if (made_.problem.empty() && (start_ < length_ || column_ > 0))
            end_field(length_, true); // the last row has no line end
        if (!made_.problem.empty()) return made_;
        arrow::ArrayVector arrays;
        for (auto &builder : builders_) {
            ARROW_ASSIGN_OR_RAISE(auto array, builder.finish());
            arrays.push_back(array);
        }
        made_.batch = arrow::RecordBatch::Make(layout_.schema, made_.rows, arrays);
        return made_;
    }

  private:
    template <bool quotes> void read_bits()
    {
        quote_walk walk;
        for (size_t at = 0; at < length_ && made_.problem.empty(); at += 64) {
            size_t count = std::min<size_t>(64, length_ - at);
            masks m = masks_at<quotes>(bytes_ + at, count);
            uint64_t outside = quotes ? ~walk.next(m) : ~uint64_t{0}, ends = m.ends & outside;
            for (uint64_t bits = (m.commas & outside) | ends; bits != 0;) {
                uint64_t row_end = bits & ends & -(bits & ends), before = bits & (row_end - 1), left = before;
                int skipped =
                    column_ < layout_.column_count ? layout_.skipped_from[static_cast<size_t>(column_)] : INT_MAX;
                if (skipped > 0 && left != 0) {
                    for (; skipped > 0 && left != 0; skipped--, column_++) {
                        start_ = at + static_cast<size_t>(__builtin_ctzll(left)) + 1;
                        left &= left - 1;
                    }
                    bits = (bits & ~before) | left;
                    continue;
                }
                int bit = __builtin_ctzll(bits);
                end_field(at + static_cast<size_t>(bit), (ends >> bit & 1) != 0);
                bits &= bits - 1;
            }
        }
    }

    void read_slowly()
    {
        const char *at = bytes_, *end = bytes_ + length_;
        while (at < end && made_.problem.empty()) {
            const char *row_end = row_end_slowly(at, end);
            if (row_end == nullptr) row_end = end;
            for (bool start = true; at < row_end; at++) {
                if (start && *at == '"') {
                    for (at++; at < row_end && (*at != '"' || (at + 1 < row_end && at[1] == '"')); at++)
                        at += *at == '"';
                    start = false;
                } else if (*at == ',' || *at == '\n') {
                    end_field(static_cast<size_t>(at - bytes_), *at == '\n');
                    start = true;
                } else {
                    start = false;
                }
            }
        }
    }

    // The field from start_ to end, the last of its row or not.
    void end_field(size_t end, bool last)
    {
        size_t stop = last && end > start_ && bytes_[end - 1] == '\r' ? end - 1 : end;
        if (last && column_ == 0 && stop == start_) { // an empty line
            start_ = end + 1;
            return;
        }
        if (!made_.problem.empty()) return;
        if (column_ < layout_.column_count) {
            int slot = layout_.slot_of[static_cast<size_t>(column_)];
            if (slot >= 0) {
                string_view field(bytes_ + start_, stop - start_);
                if (!builders_[static_cast<size_t>(slot)].add(field)) [[unlikely]] {
                    const string &name = layout_.columns[static_cast<size_t>(slot)].name;
                    fail("column '" + name + "': '" + string(field.substr(0, 40)) + "' is not a number");
                }
            }
        }
        column_++;
        start_ = end + 1;
        if (!last) return;
        if (column_ != layout_.column_count) {
            fail("has " + std::to_string(column_) + " columns, the header " + std::to_string(layout_.column_count));
        }
        column_ = 0;
        made_.rows++;
    }

    void fail(const string &problem)
    {
        if (!made_.problem.empty()) return;
        made_.problem = problem;
        made_.bad_row = made_.rows;
    }

    const layout &layout_;
    const char *bytes_;
    size_t length_, start_ = 0;
    int column_ = 0;
    vector<column_builder> builders_;
    block made_;
};

// ---------------------------------------------------------------------------------------------------------- Reader --

// Whole rows, which lie in the buffer, as a batch.
using decoder = std::function<Result<block>(const shared_ptr<arrow::Buffer> &held, const char *bytes, const cut &how)>;

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
            const char *end = row_end_slowly(bytes + start_, bytes + length_);
            if (end == nullptr && !ended_) { // the row goes on
                at_start = at_start && start_ == 0;
                ARROW_RETURN_NOT_OK(fill());
                continue;
            }
            at_start = false;
            size_t next = end != nullptr ? static_cast<size_t>(end - bytes) : length_;
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
        cut how = {0, true, false};
        for (bool fresh = first_;; fresh = false) {
            if (!fresh) ARROW_RETURN_NOT_OK(fill());
            first_ = false;
            bytes = reinterpret_cast<const char *>(buffer_->data()) + start_;
            how = cut_rows(bytes, length_ - start_);
            if (ended_) how.whole = length_ - start_;
            if (how.whole > 0 || ended_) break;
            if (static_cast<int64_t>(length_ - start_) > row_bytes_max) {
                return Status::Invalid("a row has more than a gigabyte");
            }
        }
        done_ = ended_;
        if (how.whole == 0) return Status::OK();
        auto task = [decode = decode_, held = buffer_, bytes, how] { return decode(held, bytes, how); };
        ARROW_ASSIGN_OR_RAISE(auto future, arrow::internal::GetCpuThreadPool()->Submit(task));
        waiting_.push_back(future);
        start_ += how.whole;
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
    const char *end = row_end_slowly(start.data(), start.data() + start.size());
    if (end == nullptr) return {};
    string_view row(start.data(), static_cast<size_t>(end - start.data()) - 1);
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
    given->slot_of.assign(static_cast<size_t>(column_count), -1);
    given->columns = columns;
    arrow::FieldVector fields;
    for (size_t i = 0; i < chosen.size(); i++) {
        given->slot_of[static_cast<size_t>(chosen[i])] = static_cast<int>(i);
        fields.push_back(arrow::field(columns[i].name, columns[i].text ? arrow::utf8() : arrow::float64()));
    }
    given->schema = arrow::schema(fields);
    given->skipped_from.assign(static_cast<size_t>(column_count), 0);
    for (int i = column_count, skipped = INT_MAX; i-- > 0;) {
        skipped = given->slot_of[static_cast<size_t>(i)] >= 0 ? 0 : skipped == INT_MAX ? INT_MAX : skipped + 1;
        given->skipped_from[static_cast<size_t>(i)] = skipped;
    }
    auto decode = [given](const shared_ptr<arrow::Buffer> &, const char *bytes, const cut &how) {
        return row_reader(*given, bytes, how.whole).read(how);
    };
    auto reader = std::make_shared<csv_blocks>(std::move(input), given->schema, decode, threads, block_bytes);
    ARROW_RETURN_NOT_OK(reader->skip_header());
    return reader;
}

size_t csv_whole_rows(string_view start) { return cut_rows(start.data(), start.size()).whole; }

Result<shared_ptr<arrow::RecordBatchReader>> csv_open_blocks(shared_ptr<arrow::io::InputStream> input,
                                                             shared_ptr<arrow::Schema> schema, csv_decoder decode,
                                                             int threads)
{
    auto whole = [decode](const shared_ptr<arrow::Buffer> &held, const char *bytes, const cut &how) -> Result<block> {
        int64_t first = bytes - reinterpret_cast<const char *>(held->data());
        block made;
        ARROW_ASSIGN_OR_RAISE(made.batch, decode(arrow::SliceBuffer(held, first, static_cast<int64_t>(how.whole))));
        made.rows = made.batch->num_rows();
        return made;
    };
    auto reader = std::make_shared<csv_blocks>(std::move(input), std::move(schema), whole, threads, csv_block_bytes);
    ARROW_RETURN_NOT_OK(reader->skip_header());
    return reader;
}
